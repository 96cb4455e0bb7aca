//! The manual's page on the configuration and the example file, both rendered from the schema.

use std::fmt::Write;

use crate::config::targets::example_url;
use crate::config::value;
use crate::engines::ALL;
use crate::model::schema::{Key, Kind};

/// docs/configuration.md.
pub fn reference() -> String {
    let mut out = String::from(REFERENCE_HEAD);
    chapters(&mut out, crate::config::schema(), "", &mut Vec::new());
    out
}

const REFERENCE_HEAD: &str = r#"# Configuration

<!-- Rendered from the schema in src/config; a test fails when this text differs. UPDATE_DOCS=1 writes it anew. -->

The configuration is one TOML file: the one named by `--config`, else `/etc/watchward/agent.toml`, else the built-in default,
which watches the host and the servers that are found on it. Every key has a default unless it is said to be needed. An
unknown key is an error. `watchward check-config` tells all errors at once, each with line and column, and shows the values in
force with where each comes from.

Durations are written like `15s`, `1h30m` or `7d`; sizes like `512MiB` or `2GB`. Paths are absolute. Secrets stand in files
or environment variables that the configuration names, never in the configuration itself. [agent.toml](../agent.toml) is
an example with every key.

Beside `/etc/watchward/agent.toml`, the files `conf.d/*.toml` belong to the configuration: their `[[target]]`, `[[tenant]]` and other lists
of sections are added, and no key may be given twice. `[environment.NAME]` may hold every section; where `[agent]` says
`environment = "NAME"` it is laid over the others, key by key, lists as a whole:

```toml
[environment.production]
sample = { interval = "30s" }
alert  = { thresholds = { cpu_usage = 80, memory_usage = 85, connection_count = 1000 } }
```
"#;

/// One chapter for each section; `path` is the chapter above, `within` the sections it lies in (a route holds routes).
fn chapters(out: &mut String, keys: &'static [Key], path: &str, within: &mut Vec<*const Key>) {
    for key in keys {
        let (Kind::Section(inner) | Kind::Sections(inner)) = key.kind else { continue };
        if within.contains(&inner.as_ptr()) {
            continue;
        }
        let dotted = if path.is_empty() { key.name.to_string() } else { format!("{path}.{}", key.name) };
        let title = if matches!(key.kind, Kind::Sections(_)) { format!("[[{dotted}]]") } else { format!("[{dotted}]") };
        let _ = write!(out, "\n## {title}\n\n{}\n\n", filled(key.doc)); // a String takes all
        out.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for one in inner {
            row(out, one);
        }
        within.push(inner.as_ptr());
        chapters(out, inner, &dotted, within);
        within.pop();
    }
}

fn row(out: &mut String, key: &Key) {
    let default = match (key.required, key.default) {
        (true, _) => "needed".to_string(),
        (_, "") => "none".to_string(),
        (_, _) if matches!(key.kind, Kind::Section(_) | Kind::Sections(_)) => "its own".to_string(),
        (_, text) => format!("`{text}`"),
    };
    let wanted = value::wanted(key.kind).replace('|', "\\|");
    let _ = writeln!(out, "| `{}` | {wanted} | {default} | {} |", key.name, filled(key.doc).replace('|', "\\|"));
}

/// The words that the schema leaves to the engines.
fn filled(text: &str) -> String {
    let words: Vec<String> = ALL.iter().map(|engine| format!("`{}`", engine.word())).collect();
    text.replace("{engines}", &words.join(", "))
}

/// agent.toml: every key with its default or an example, commented out but for what the built-in default has.
pub fn example() -> String {
    let mut out = String::from(EXAMPLE_HEAD);
    parts(&mut out, crate::config::schema(), "", &mut Vec::new());
    out.push_str(EXAMPLE_ENVIRONMENT);
    let _ =
        write!(out, "\n# The built-in default: this host. It is in force as it stands.\n{}", crate::config::BUILT_IN);
    out
}

const EXAMPLE_HEAD: &str = "# An example of Watchward's configuration, rendered from its schema: every section and key.
# What is commented out by '#' shows a default, or an example where there is none. The manual: docs/configuration.md
";

const EXAMPLE_ENVIRONMENT: &str = r#"
# Laid over all of the above where [agent] says environment = "production".
#[environment.production]
#sample = { interval = "30s" }
"#;

fn parts(out: &mut String, keys: &'static [Key], path: &str, within: &mut Vec<*const Key>) {
    for key in keys {
        let (Kind::Section(inner) | Kind::Sections(inner)) = key.kind else { continue };
        if within.contains(&inner.as_ptr()) {
            continue;
        }
        let dotted = if path.is_empty() { key.name.to_string() } else { format!("{path}.{}", key.name) };
        let title =
            if matches!(key.kind, Kind::Sections(_)) { format!("#[[{dotted}]]") } else { format!("#[{dotted}]") };
        let _ = write!(out, "\n# {}\n{title}\n", key.doc);
        for one in inner.iter().filter(|one| !matches!(one.kind, Kind::Section(_) | Kind::Sections(_))) {
            let text = if one.example.is_empty() { one.default } else { one.example };
            let _ = writeln!(out, "{}\n#{} = {}", comment(&plain(one.doc)), one.name, plain(text));
        }
        within.push(inner.as_ptr());
        parts(out, inner, &dotted, within);
        within.pop();
    }
}

/// As `filled`, for a file: words without marks, and an engine's own address as the example.
fn plain(text: &str) -> String {
    let words: Vec<&str> = ALL.iter().map(|engine| engine.word()).collect();
    let first = ALL.iter().find(|engine| !engine.card().schemes.is_empty());
    let text = text.replace("{engines}", &words.join(", "));
    let text = text.replace("{engine}", first.map_or("host", |engine| engine.word()));
    text.replace("{url}", &first.map_or(String::new(), |engine| example_url(*engine)))
}

/// The widest comment, in characters.
const COMMENT_COLUMNS: usize = 110;

/// A doc text as comment lines.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_string()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < COMMENT_COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n")
}
