//! The catalog that comes with the code: every `catalog/*.json`, so that the first request works before anybody has signed in.
//!
//! A plain list instead of a build script; a tidy test holds it against the folder.

use super::document::{CatalogDocument, DocumentError};

/// File name and text of every bundled file.
const FILES: &[(&str, &str)] = &[
    (
        "anthropic-openai.json",
        include_str!("../../catalog/anthropic-openai.json"),
    ),
    ("anthropic.json", include_str!("../../catalog/anthropic.json")),
    ("azure-openai.json", include_str!("../../catalog/azure-openai.json")),
    ("cerebras.json", include_str!("../../catalog/cerebras.json")),
    (
        "cloudflare-ai-gateway.json",
        include_str!("../../catalog/cloudflare-ai-gateway.json"),
    ),
    ("cohere.json", include_str!("../../catalog/cohere.json")),
    ("dashscope.json", include_str!("../../catalog/dashscope.json")),
    ("deepinfra.json", include_str!("../../catalog/deepinfra.json")),
    ("deepseek.json", include_str!("../../catalog/deepseek.json")),
    ("demo.json", include_str!("../../catalog/demo.json")),
    ("fireworks.json", include_str!("../../catalog/fireworks.json")),
    ("fusion.json", include_str!("../../catalog/fusion.json")),
    ("google.json", include_str!("../../catalog/google.json")),
    ("groq.json", include_str!("../../catalog/groq.json")),
    ("huggingface.json", include_str!("../../catalog/huggingface.json")),
    ("local.json", include_str!("../../catalog/local.json")),
    ("minimax.json", include_str!("../../catalog/minimax.json")),
    ("mistral.json", include_str!("../../catalog/mistral.json")),
    ("moonshot.json", include_str!("../../catalog/moonshot.json")),
    ("nebius.json", include_str!("../../catalog/nebius.json")),
    ("novita.json", include_str!("../../catalog/novita.json")),
    ("nvidia.json", include_str!("../../catalog/nvidia.json")),
    ("openai.json", include_str!("../../catalog/openai.json")),
    ("openrouter.json", include_str!("../../catalog/openrouter.json")),
    ("perplexity.json", include_str!("../../catalog/perplexity.json")),
    ("policies.json", include_str!("../../catalog/policies.json")),
    ("routes.json", include_str!("../../catalog/routes.json")),
    ("sambanova.json", include_str!("../../catalog/sambanova.json")),
    ("together.json", include_str!("../../catalog/together.json")),
    ("xai.json", include_str!("../../catalog/xai.json")),
    ("zai.json", include_str!("../../catalog/zai.json")),
];

/// All bundled documents as one. Ids are unique across files.
///
/// # Errors
/// The first file that does not parse, which the tests rule out for a build that passed them.
pub fn bundled() -> Result<CatalogDocument, DocumentError> {
    let mut all = CatalogDocument::default();
    for (name, text) in FILES {
        let file = CatalogDocument::parse(text).map_err(|error| DocumentError {
            message: format!("catalog/{name}: {}", error.message),
            ..error
        })?;
        all.providers.extend(file.providers);
        all.models.extend(file.models);
        all.pools.extend(file.pools);
        all.routes.extend(file.routes);
        all.fusion_profiles.extend(file.fusion_profiles);
        all.policies.extend(file.policies);
        all.settings = file.settings.or(all.settings);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn every_file_of_the_folder_is_in_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/catalog");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| std::path::Path::new(name).extension().is_some_and(|it| it == "json"))
            .collect();
        names.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            listed, names,
            "src/catalog/bundled.rs lists every catalog/*.json, in order"
        );
    }

    #[test]
    fn it_compiles_without_a_warning() {
        let catalog = Catalog::compile(bundled().unwrap(), 0).unwrap_or_else(|errors| panic!("{errors:#?}"));
        assert_eq!(catalog.warnings, Vec::<String>::new());
        assert!(
            catalog.providers.len() >= 20 && catalog.models.len() >= 20,
            "the repository's defaults are there"
        );
    }

    #[test]
    fn it_exports_and_imports_byte_identically() {
        let first = bundled().unwrap().export();
        let second = CatalogDocument::parse(&first).unwrap().export();
        assert_eq!(first, second);
    }
}
