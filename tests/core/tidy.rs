//! The house rules that a machine can check.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms in reading order: each may use only those before it.
const ROOMS: [&str; 6] = ["wire", "catalog", "access", "route", "run", "account"];

/// No file may be longer.
const HARD_CAP: usize = 800;

/// Half of all files are shorter.
const MEDIAN: usize = 200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(path) = open.pop() {
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries.flatten().map(|entry| entry.path()) {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if entry.is_dir()
                && !matches!(name.as_str(), "node_modules" | "dist" | "target" | "test-results")
                && !name.starts_with('.')
            {
                open.push(entry);
            } else if extensions.iter().any(|extension| name.ends_with(extension)) {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}

/// Every file of code, tests included.
fn code() -> impl Iterator<Item = PathBuf> {
    let folders = ["src", "admin-ui/src", "scripts", "tests", "bench"];
    folders
        .into_iter()
        .flat_map(|folder| files(folder, &[".rs", ".ts", ".tsx", ".mjs", ".js"]))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn rooms_use_only_lower_rooms_and_never_cloudflare() {
    let mut wrong = Vec::new();
    for (level, room) in ROOMS.iter().enumerate() {
        let forbidden: Vec<String> = ROOMS
            .iter()
            .skip(level + 1)
            .chain(&["edge", "cli"])
            .map(|other| format!("crate::{other}"))
            .chain(
                [
                    "worker::",
                    "js_sys",
                    "web_sys",
                    "wasm_bindgen",
                    "getrandom",
                    "SystemTime",
                    "Instant::now",
                    "async fn",
                    "thread_local",
                ]
                .map(str::to_owned),
            )
            .collect();
        for file in files(&format!("src/{room}"), &[".rs"]) {
            for (number, line) in read(&file)
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim_start().starts_with("//"))
            {
                if let Some(word) = forbidden.iter().find(|word| line.contains(word.as_str())) {
                    wrong.push(format!("{}:{}: {word}", relative(&file), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "walls broken:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut lengths = Vec::new();
    let mut wrong = Vec::new();
    for file in files("src", &[".rs"]) {
        let text = read(&file);
        let length = text.lines().count();
        lengths.push(length);
        if length > HARD_CAP {
            wrong.push(format!("{}: {length} lines", relative(&file)));
        }
        let is_test = file.file_name().is_some_and(|name| name == "tests.rs") || relative(&file).contains("/tests/");
        if !is_test && !text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with //!", relative(&file)));
        }
    }
    for file in ["admin-ui/src", "scripts", "tests", "bench"]
        .iter()
        .flat_map(|folder| files(folder, &[".ts", ".tsx", ".mjs", ".js", ".css"]))
    {
        let length = read(&file).lines().count();
        if length > HARD_CAP {
            wrong.push(format!("{}: {length} lines", relative(&file)));
        }
    }
    lengths.sort_unstable();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        lengths[lengths.len() / 2] < MEDIAN,
        "the median file has {} lines",
        lengths[lengths.len() / 2]
    );
}

#[test]
fn documents_that_the_code_names_exist() {
    let is_document = |path: &&Path| path.extension().is_some_and(|extension| extension == "md");
    let mut wrong = Vec::new();
    for file in code() {
        let text = read(&file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c));
        let paths = words.map(|word| word.trim_end_matches('.').rsplit("../").next().unwrap_or(word));
        for path in paths
            .map(|path| Path::new(path.trim_start_matches('/')))
            .filter(is_document)
        {
            if !root().join(path).exists() {
                wrong.push(format!("{}: {}", relative(&file), path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "no such document:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_behind() {
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX:"),
        concat!("unimpl", "emented!"),
        concat!("dbg", "!("),
    ];
    let mut wrong = Vec::new();
    for file in code() {
        for (number, line) in read(&file).lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                wrong.push(format!("{}:{}: {word}", relative(&file), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wrangler_binds_what_the_worker_asks_for() {
    let config = read("src/edge/config.rs");
    let wrangler = read("wrangler.toml");
    let names: Vec<&str> = config
        .lines()
        .filter(|line| line.contains("const") && line.contains(": &str = \""))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert!(names.len() >= 6, "the constants of config.rs were not found: {names:?}");
    for name in names {
        assert!(
            wrangler.contains(&format!("binding = \"{name}\"")) || wrangler.contains(&format!("name = \"{name}\"")),
            "wrangler.toml does not bind {name}"
        );
    }
}

#[test]
fn commands_in_the_guides_exist() {
    let package = read("package.json");
    let mut guides = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    guides.extend(files("docs", &[".md"]));
    let mut wrong = Vec::new();
    for guide in guides.iter().filter(|guide| guide.exists()) {
        for line in read(guide).lines() {
            for script in line.split("npm run ").skip(1).map(|rest| {
                rest.split(|c: char| !(c.is_ascii_alphanumeric() || ":-".contains(c)))
                    .next()
                    .unwrap_or("")
            }) {
                if !package.contains(&format!("\"{script}\":")) {
                    wrong.push(format!("{}: npm run {script}", relative(guide)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_names_a_registry_or_a_machine() {
    let words = [
        concat!("registry", ".npmjs"),
        concat!("static", ".rust-lang"),
        concat!("index", ".crates.io"),
        concat!("pypi", ".org"),
        concat!("deb", ".debian"),
        concat!("/work", "/"),
    ];
    let mut wrong = Vec::new();
    let everything = files(
        "",
        &[
            ".rs", ".ts", ".tsx", ".mjs", ".js", ".json", ".toml", ".md", ".sh", ".lock",
        ],
    );
    for file in everything
        .iter()
        .filter(|file| !relative(file).starts_with("target") && !relative(file).starts_with("build"))
    {
        // Cargo.lock names its source index in a form that cargo requires.
        if relative(file) == "Cargo.lock" {
            continue;
        }
        let text = fs::read_to_string(file).unwrap_or_default();
        wrong.extend(
            words
                .iter()
                .filter(|word| text.contains(**word))
                .map(|word| format!("{}: {word}", relative(file))),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Money leaves as a JSON number written from whole nano-dollars: never as text, never by way of a float.
#[test]
fn fields_of_money_are_written_exactly() {
    const EXACT: [&str; 2] = ["NanoUsd,", "Option<NanoUsd>,"];
    const OTHER: [&str; 5] = ["String,", "Option<String>,", "f64,", "Option<f64>,", "Value,"];
    let mut wrong = Vec::new();
    for path in files("src", &[".rs"]) {
        if relative(&path).contains("/tests") {
            continue;
        }
        let text = read(&path);
        let lines: Vec<&str> = text.lines().take_while(|line| *line != "#[cfg(test)]").collect();
        for (index, line) in lines.iter().enumerate() {
            let declared = line.split_once("_usd: ").map(|(_, kind)| kind);
            let is = |kinds: &[&str]| declared.is_some_and(|kind| kinds.contains(&kind));
            let above = lines.get(index.saturating_sub(5)..index).unwrap_or_default();
            let begin = above.iter().rposition(|line| line.trim().starts_with("#[serde("));
            let attribute = begin.map_or(String::new(), |begin| above[begin..].concat());
            let in_tree = line.contains("json!") && line.contains("_usd\":");
            if is(&OTHER) || in_tree || (is(&EXACT) && !(attribute.contains("usd\"") && attribute.ends_with(']'))) {
                wrong.push(format!("{}:{}", relative(&path), index + 1));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Amounts that come in, are compared, or are shown as they were before and after: read and written by their digits. What is a ratio, a
/// statistic or a score may be a float, and says so by its name or stands here.
#[test]
fn money_takes_no_way_through_a_float() {
    const WORDS: [&str; 6] = ["price", "cost", "usd", "dollar", "nano", "money"];
    const SCORES: [&str; 4] = [
        "approximate_usd",
        "cost_quality",
        "cost_multiple",
        // Statistics of Analytics Engine are doubles.
        "row.cost_usd.0 as f64 / 1e9,",
    ];
    let mut wrong = Vec::new();
    let mut check = |path: &Path, index: usize, is_wrong: bool| {
        if is_wrong {
            wrong.push(format!("{}:{}", relative(path), index + 1));
        }
    };
    for path in files("src", &[".rs"])
        .iter()
        .filter(|path| !relative(path).contains("/tests"))
    {
        let text = read(path);
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
        for (index, line) in lines
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            let is_money =
                WORDS.iter().any(|word| line.contains(word)) && !SCORES.iter().any(|name| line.contains(name));
            check(path, index, is_money && line.contains("f64"));
            // Documents and what changed of them hold money anywhere: a tree of JSON has read it as floats already.
            let kept = ["before: ", "after: ", "document: ", "draft: "]
                .iter()
                .any(|field| line.contains(field));
            check(
                path,
                index,
                kept && (line.contains(" Value,") || line.contains("<Value>,")),
            );
            check(
                path,
                index,
                line.contains("json!") && line.contains("\"price\":") && !line.contains("\"price\": null"),
            );
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
