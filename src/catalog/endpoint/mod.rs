//! Addresses of upstreams: what a URL means, whether the rules of secured endpoints allow it, and how a path is joined to it.
//!
//! Checked when a document is saved and again at each call. Resolves no name and follows nothing: a redirect is an error of the shell.

mod host;
mod provider;

pub use host::{BadHost, Host, Zone};
pub use provider::{provider_endpoint, provider_url};

use std::fmt;

/// Longest URL, bytes.
pub const MAX_URL: usize = 2048;

/// What holds for the endpoint at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// The Worker runs locally (`ENVIRONMENT=local`): plain http to loopback and private addresses is allowed.
    pub local: bool,
    /// The call goes through a Fetcher binding, which secures the transport itself and counts as a credential.
    pub binding: bool,
    /// A key or a service token is presented.
    pub credential: bool,
    /// When not empty, or when `binding` is set, the host must be in here: names, addresses, or `*.suffix`.
    pub allowed_hosts: &'a [String],
}

/// A base address that the rules allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `https` or `http`.
    pub scheme: Scheme,
    /// Host, normalised.
    pub host: Host,
    /// Port, when it is not the scheme's own.
    pub port: Option<u16>,
    /// Path without trailing slash; empty or beginning with `/`.
    pub path: String,
    /// Where the host is.
    pub zone: Zone,
}

/// Scheme of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

/// Why an address is refused. Sentences say what to do and never repeat the URL, which may hold a secret in a wrong place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointRefusal {
    /// Nothing configured.
    #[error("no address is configured: set `base_url`")]
    NoAddress,
    /// A template variable has no value.
    #[error("the variable {name} has no value in this deployment: set it as a Worker variable or secret")]
    MissingVariable {
        /// Its name.
        name: String,
    },
    /// Longer than [`MAX_URL`].
    #[error("the URL is longer than {MAX_URL} bytes")]
    TooLong,
    /// White space, control characters, backslashes, or characters outside ASCII.
    #[error("the URL has a character that a URL cannot have (white space, backslash, or not ASCII): percent-encode it")]
    BadCharacter,
    /// Neither `https://` nor `http://`.
    #[error(
        "the URL must begin with https:// (or http:// for a loopback or private address of a Worker that runs locally)"
    )]
    BadScheme,
    /// `user:password@`.
    #[error("the URL may not hold a user name or password: put the key into the credential pool")]
    UserInfo,
    /// `#…`
    #[error("the URL may not have a fragment: remove everything from `#` on")]
    Fragment,
    /// `?…` in a base URL.
    #[error("a base URL may not have a query: move it to the dialect path or use auth scheme `query`")]
    Query,
    /// The host part is none.
    #[error("{0}")]
    BadHost(#[from] BadHost),
    /// Not 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    BadPort,
    /// `.`, `..`, or a character that must be percent-encoded.
    #[error(
        "the path may not have `.` or `..` segments, and other characters than those of a URL path must be percent-encoded"
    )]
    BadPath,
    /// Link-local or metadata.
    #[error("{host} is a link-local or cloud metadata address, which is never called: name the model server itself")]
    Metadata {
        /// The host.
        host: String,
    },
    /// 0.0.0.0, multicast, reserved.
    #[error("{host} is no address that can be called: use 127.0.0.1 for this machine")]
    Unroutable {
        /// The host.
        host: String,
    },
    /// Plain http to a public host.
    #[error("plain http to {host} would send keys and prompts in the clear: use https")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// Plain http from a deployed Worker.
    #[error(
        "plain http to {host} is allowed only while the Worker runs locally: use https, a VPC or mTLS binding, or a tunnel with a service token"
    )]
    PlainHttpDeployed {
        /// The host.
        host: String,
    },
    /// No credential off loopback.
    #[error(
        "{host} is not on this machine, so a credential is mandatory: add a key to the pool, a service token, or a binding"
    )]
    CredentialRequired {
        /// The host.
        host: String,
    },
    /// Not on the allow-list.
    #[error("{host} is not among `allowed_hosts`: add it there if the provider may be reached at this host")]
    HostNotAllowed {
        /// The host.
        host: String,
    },
}

impl EndpointRefusal {
    /// Stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::MissingVariable { .. } => "missing_variable",
            Self::TooLong => "url_too_long",
            Self::BadCharacter => "url_bad_character",
            Self::BadScheme => "url_bad_scheme",
            Self::UserInfo => "url_user_info",
            Self::Fragment => "url_fragment",
            Self::Query => "url_query",
            Self::BadHost(_) => "url_bad_host",
            Self::BadPort => "url_bad_port",
            Self::BadPath => "url_bad_path",
            Self::Metadata { .. } => "metadata_address",
            Self::Unroutable { .. } => "unroutable_address",
            Self::PlainHttp { .. } => "plain_http",
            Self::PlainHttpDeployed { .. } => "plain_http_deployed",
            Self::CredentialRequired { .. } => "credential_required",
            Self::HostNotAllowed { .. } => "host_not_allowed",
        }
    }
}

/// Reads a base URL strictly and applies the rules of secured endpoints.
///
/// # Errors
/// [`EndpointRefusal`]: the form of the URL first, then where it points, then how it is secured.
pub fn check(url: &str, rules: Rules<'_>) -> Result<Endpoint, EndpointRefusal> {
    let endpoint = parse(url)?;
    let host = || endpoint.host.to_string();
    match endpoint.zone {
        Zone::Metadata => return Err(EndpointRefusal::Metadata { host: host() }),
        Zone::Unroutable => return Err(EndpointRefusal::Unroutable { host: host() }),
        Zone::Loopback | Zone::Private | Zone::Public => {}
    }
    if (rules.binding || !rules.allowed_hosts.is_empty()) && !is_allowed(&host(), rules.allowed_hosts) {
        return Err(EndpointRefusal::HostNotAllowed { host: host() });
    }
    if endpoint.scheme == Scheme::Http {
        if endpoint.zone == Zone::Public {
            return Err(EndpointRefusal::PlainHttp { host: host() });
        }
        if !rules.local && !rules.binding {
            return Err(EndpointRefusal::PlainHttpDeployed { host: host() });
        }
    }
    if endpoint.zone != Zone::Loopback && !rules.credential && !rules.binding {
        return Err(EndpointRefusal::CredentialRequired { host: host() });
    }
    Ok(endpoint)
}

impl Endpoint {
    /// Scheme, host and port: `https://api.openai.com`.
    pub fn origin(&self) -> String {
        match self.port {
            Some(port) => format!("{}://{}:{port}", self.scheme, self.host),
            None => format!("{}://{}", self.scheme, self.host),
        }
    }

    /// The URL of a dialect path that [`check_path`] accepts. A version segment that ends the base and begins the path
    /// (`http://x/v1` + `/v1/chat/completions`) stands once: people paste base URLs with and without it.
    pub fn join(&self, path: &str) -> String {
        let version = self.path.rsplit('/').next().filter(|last| is_version(last));
        let rest = version
            .and_then(|version| path.strip_prefix('/')?.strip_prefix(version))
            .filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            .unwrap_or(path);
        format!("{}{}{rest}", self.origin(), self.path)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Checks a dialect path: begins with `/`, may have a query, never climbs and never has a fragment.
///
/// # Errors
/// [`EndpointRefusal::BadPath`], [`EndpointRefusal::Fragment`], [`EndpointRefusal::BadCharacter`] or [`EndpointRefusal::TooLong`].
pub fn check_path(path: &str) -> Result<(), EndpointRefusal> {
    check_characters(path)?;
    if path.contains('#') {
        return Err(EndpointRefusal::Fragment);
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let good_query = query.bytes().all(|b| is_path_byte(b) || b"/?%".contains(&b));
    if path.starts_with('/') && !path.starts_with("//") && is_good_path(path) && good_query {
        Ok(())
    } else {
        Err(EndpointRefusal::BadPath)
    }
}

/// True when `pattern` can stand in `allowed_hosts`: a host, or `*.` and a name.
pub fn is_host_pattern(pattern: &str) -> bool {
    Host::parse(pattern.strip_prefix("*.").unwrap_or(pattern)).is_ok()
}

fn is_allowed(host: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|pattern| match pattern.strip_prefix('*') {
        Some(suffix) => {
            let suffix = suffix.to_ascii_lowercase();
            suffix.starts_with('.') && host.len() > suffix.len() && host.ends_with(&suffix)
        }
        // Through the parser, so that every spelling of an address is the same address.
        None => Host::parse(pattern).is_ok_and(|allowed| allowed.to_string() == host),
    })
}

fn parse(url: &str) -> Result<Endpoint, EndpointRefusal> {
    check_characters(url)?;
    let (scheme, rest) = url.split_once("://").ok_or(EndpointRefusal::BadScheme)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(EndpointRefusal::BadScheme),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(EndpointRefusal::UserInfo);
    }
    if tail.contains('#') {
        return Err(EndpointRefusal::Fragment);
    }
    if tail.contains('?') {
        return Err(EndpointRefusal::Query);
    }
    let (host, port) = split_port(authority)?;
    let host = Host::parse(host)?;
    let port = port.filter(|port| *port != scheme.default_port());
    let path = tail.trim_end_matches('/');
    if !path.is_empty() && !is_good_path(path) {
        return Err(EndpointRefusal::BadPath);
    }
    let zone = host.zone();
    Ok(Endpoint {
        scheme,
        host,
        port,
        path: path.to_owned(),
        zone,
    })
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

fn check_characters(text: &str) -> Result<(), EndpointRefusal> {
    if text.len() > MAX_URL {
        return Err(EndpointRefusal::TooLong);
    }
    if text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
        Ok(())
    } else {
        Err(EndpointRefusal::BadCharacter)
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), EndpointRefusal> {
    // The colons inside `[…]` belong to the address.
    let host_end = if authority.starts_with('[') {
        authority.find(']').map_or(authority.len(), |at| at + 1)
    } else {
        0
    };
    let (bracketed, rest) = authority.split_at_checked(host_end).unwrap_or((authority, ""));
    let Some((name, digits)) = rest.split_once(':') else {
        return Ok((authority, None));
    };
    if !bracketed.is_empty() && !name.is_empty() {
        return Err(BadHost::BadV6.into());
    }
    let host = if bracketed.is_empty() { name } else { bracketed };
    if digits.is_empty() || digits.len() > 5 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EndpointRefusal::BadPort);
    }
    match digits.parse::<u16>() {
        Ok(port) if port > 0 => Ok((host, Some(port))),
        _ => Err(EndpointRefusal::BadPort),
    }
}

/// RFC 3986 path characters; `%` only before two hex digits; no `.` and `..` segments, in no spelling.
fn is_good_path(path: &str) -> bool {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let escaped_ok = byte == b'%'
            && bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
            && bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
        if !(is_path_byte(byte) || byte == b'/' || escaped_ok) {
            return false;
        }
    }
    path.split('/')
        .all(|segment| !matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// `v1`, `v4`, `v1beta`: what an API's version segment looks like.
fn is_version(segment: &str) -> bool {
    segment.len() <= 12
        && segment.strip_prefix('v').is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_digit()) && rest.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests;
