//! URLs of targets: scheme, user, host, port, path and parameters. A password is split off, and no error repeats any
//! part of the text but its scheme, for where a URL is faulty nobody knows which part is the password.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::model::secret::Secret;
use crate::model::target::Url;

/// A URL, and the password that stood in it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Parsed {
    pub url: Url,
    pub password: Option<Secret>,
}

/// Why a text is not a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("it does not begin with a scheme and '://'")]
    NoScheme,
    #[error("it is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    #[error("it holds a space or a control character")]
    Space,
    #[error("a '%' is not followed by two hexadecimal digits, or what it encodes is not text")]
    Percent,
    #[error("it names several hosts")]
    SeveralHosts,
    #[error("it names no host")]
    NoHost,
    #[error("its host name holds a character that host names do not have")]
    Host,
    #[error("its IPv6 address is not one")]
    Ipv6,
    #[error("its port is not a number from 1 to 65535")]
    Port,
    #[error("an '@' stands after the host")]
    StrayAt,
    #[error("it holds a '#'")]
    Fragment,
    #[error("a parameter is given twice")]
    Twice,
    #[error("a parameter other than 'password' holds a secret")]
    SecretParameter,
    #[error("it gives two passwords")]
    TwoPasswords,
    #[error("it names a host and a socket")]
    HostAndSocket,
}

impl Wrong {
    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Wrong::NoScheme | Wrong::TooLong => "Write it like scheme://user@host:port/path.",
            Wrong::Space => "Write a space as %20; a password belongs in a file anyway.",
            Wrong::Percent => "Write a '%' itself as %25.",
            Wrong::SeveralHosts => "Watch each server as a target of its own.",
            Wrong::NoHost => "Name the host after '://', or the folder of its socket as ?host=/run/….",
            Wrong::Host | Wrong::Port | Wrong::StrayAt | Wrong::Fragment => {
                "If a password stands in it, write '@', ':', '/', '?' and '#' there as %40, %3A, %2F, %3F and %23. \
                 Better, name a password_file."
            }
            Wrong::Ipv6 => "Write an IPv6 address in brackets: [::1].",
            Wrong::SecretParameter | Wrong::TwoPasswords => "Name a password_file in place of it.",
            Wrong::Twice | Wrong::HostAndSocket => "Keep one of them.",
        }
    }
}

/// The longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 4096;

/// Reads a URL. `scheme:///path?host=/run/folder`, a percent-encoded socket as host, and `unix:///path` or
/// `scheme+unix:///path` name Unix sockets: `host` is then their absolute path.
///
/// # Errors
/// Why the text is not such a URL.
pub fn parse(text: &str) -> Result<Parsed, Wrong> {
    if text.len() > URL_BYTES_MAX {
        return Err(Wrong::TooLong);
    }
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).ok_or(Wrong::NoScheme)?;
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Wrong::Space);
    }
    if rest.contains('#') {
        return Err(Wrong::Fragment); // it means nothing to a server, and may be the middle of a password
    }
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = address.split_once('/').unwrap_or((address, ""));
    if path.contains('@') || query.contains('@') {
        return Err(Wrong::StrayAt);
    }
    let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let mut url =
        Url { scheme: scheme.to_ascii_lowercase(), user: decode(user)?, path: decode(path)?, ..Url::default() };
    let mut password = password.filter(|password| !password.is_empty()).map(decode).transpose()?;
    (url.host, url.port) = parse_place(place)?;
    url.parameters = parse_query(query)?;
    if let Some(other) = url.parameters.remove("password")
        && password.replace(other).is_some()
    {
        return Err(Wrong::TwoPasswords);
    }
    // That of a hook is shown nowhere, with all that is behind the host. A target's is refused where targets are read.
    if !is_web(&url) && has_secret_parameter(&url) {
        return Err(Wrong::SecretParameter);
    }
    find_socket(&mut url)?;
    if url.host.is_empty() {
        return Err(Wrong::NoHost);
    }
    Ok(Parsed { url, password: password.map(Secret::new) })
}

/// RFC 3986, 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme.as_str(), "http" | "https")
}

/// Whether a parameter holds a secret, by its name.
pub fn has_secret_parameter(url: &Url) -> bool {
    const WORDS: &[&str] = &["password", "secret", "token", "apikey", "api_key"];
    let is_secret = |name: &str| WORDS.iter().any(|word| name.to_ascii_lowercase().contains(word));
    url.parameters.keys().any(|name| is_secret(name))
}

/// Host and port; port 0 where none is named.
fn parse_place(place: &str) -> Result<(String, u16), Wrong> {
    if place.contains(',') {
        return Err(Wrong::SeveralHosts);
    }
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or(Wrong::Ipv6)?;
            let address = decode(address)?;
            let plain = address.split('%').next().unwrap_or(""); // fe80::1%eth0 has its network card's name
            plain.parse::<Ipv6Addr>().map_err(|_| Wrong::Ipv6)?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(Wrong::Ipv6)?) };
            (address, port)
        }
        None => {
            let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
            let host = decode(host)?;
            let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
            if !is_name && !host.starts_with('/') {
                return Err(Wrong::Host);
            }
            (host, port)
        }
    };
    Ok((host, port.map_or(Ok(0), parse_port)?))
}

fn parse_port(text: &str) -> Result<u16, Wrong> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()); // no sign
    text.parse().ok().filter(|port| digits && *port > 0).ok_or(Wrong::Port)
}

fn parse_query(query: &str) -> Result<BTreeMap<String, String>, Wrong> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if parameters.insert(decode(name)?, decode(value)?).is_some() {
            return Err(Wrong::Twice);
        }
    }
    Ok(parameters)
}

/// Moves a socket that stands in the path or in the parameter `host` to where the host is. `scheme+unix` becomes `scheme`.
fn find_socket(url: &mut Url) -> Result<(), Wrong> {
    let is_unix = url.scheme == "unix" || url.scheme.ends_with("+unix");
    if let Some(plain) = url.scheme.strip_suffix("+unix") {
        url.scheme = plain.to_string();
    }
    let socket = if is_unix && !url.path.is_empty() {
        Some(format!("/{}", std::mem::take(&mut url.path)))
    } else {
        url.parameters.remove("host")
    };
    let Some(socket) = socket else { return Ok(()) };
    if !url.host.is_empty() {
        return Err(Wrong::HostAndSocket);
    }
    if socket.contains(',') {
        return Err(Wrong::SeveralHosts);
    }
    url.host = socket;
    if let Some(port) = url.parameters.remove("port") {
        url.port = parse_port(&port)?;
    }
    Ok(())
}

/// Replaces `%2F` by `/` and so on.
fn decode(text: &str) -> Result<String, Wrong> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(Wrong::Percent) };
        let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or(Wrong::Percent);
        bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).unwrap_or(0));
        rest = tail;
    }
    let text = String::from_utf8(bytes).map_err(|_| Wrong::Percent)?;
    if text.contains('\0') { Err(Wrong::Percent) } else { Ok(text) }
}

/// Writes a part so that `decode` gives it back.
pub fn encode(text: &str, keep: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || keep.contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Writes a URL the way `parse` reads it, without its password.
pub fn write(url: &Url) -> String {
    write_with(url, "")
}

/// As `write`, with `***` where a password stood, and without the path of a web address: that of a hook is its secret.
pub fn write_shown(parsed: &Parsed) -> String {
    let mut url = parsed.url.clone();
    let web = is_web(&url) && !(url.path.is_empty() && url.parameters.is_empty());
    if web {
        url.path = String::new();
        url.parameters.clear();
    }
    let password = match (&parsed.password, web && !url.user.is_empty()) {
        (Some(_), _) => ":***",
        (None, false) => "",
        (None, true) => {
            url.user = String::new(); // a hook's user without a password is its key
            "***"
        }
    };
    let text = write_with(&url, password);
    if web { format!("{text}/***") } else { text }
}

fn write_with(url: &Url, password: &str) -> String {
    let Url { scheme, user, host, port, path, parameters } = url;
    let login =
        if user.is_empty() && password.is_empty() { String::new() } else { format!("{}{password}@", encode(user, "")) };
    let host = if host.contains(':') && !host.starts_with('/') {
        format!("[{}]", encode(host, ":"))
    } else {
        encode(host, "")
    };
    let port = if *port == 0 { String::new() } else { format!(":{port}") };
    let path = if path.is_empty() { String::new() } else { format!("/{}", encode(path, "/:")) };
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{}={}", encode(name, ""), encode(value, "/"))).collect();
    let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
    format!("{scheme}://{login}{host}{port}{path}{query}")
}
