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
unknown key is an error. `watchward check-config` tells all errors at once (up to 200), each with line and column, and shows the
values in force with where each comes from: file, line and column, the environment and the variables it stands in, a flag, or
`default`; `--json` says the same to machines. Secrets are shown as `***`; of a URL its user and host stay readable. The usual file
that is there and cannot be read is an error, and no reason for the default.

[agent.toml](../agent.toml) is an example with every key, [examples/production.toml](examples/production.toml) one to begin with.

## Values

Durations are written like `15s`, `1h30m` or `7d`; sizes like `512MiB` or `2GB`. Paths are absolute.

**Variables.** `${NAME}` in any text stands for an environment variable, `${NAME:-text}` has a default for where it is not set or
empty, and `$${` is `${` itself. A variable that is not set is an error. What a variable holds is not read again, and no error
repeats it; what is made of one whose name says that it is secret (`…PASSWORD…`, `…TOKEN…`) is shown as `***`.

**Secrets** stand in files or environment variables that the configuration names (`password_file`, `password_env`), better than in
the configuration itself. Files are read anew when they change. A credential of systemd (`LoadCredential=orders.pw:/etc/watchward/orders.pw`)
is such a file: `password_file = "${CREDENTIALS_DIRECTORY}/orders.pw"`.

**Schedules** are those of crontab(5): minute, hour, day of the month, month, day of the week, with names, ranges, steps and lists; or
`@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. Two days that are both named mean either; beside one that begins with `*` both
must fit. **Windows** are written `22:00-05:00` or `Mon-Fri 22:00-05:00`, where days are those on which it opens. Behind both may
stand a time zone by its IANA name (`0 4 * * * Europe/Berlin`); without one `[agent] timezone` counts.

When clocks are set, nothing runs twice and nothing is lost, as Debian's cron(8) has it: a time that they skip (02:30, in Berlin on
29 March 2026) comes once, at the first moment after; one that they show twice comes the first time. Schedules whose minute or hour
begins with `*` are intervals: they come each time that clocks show a minute of theirs, so `*/15 * * * *` keeps its quarter of an
hour. A window opens and closes at the first of two equal times. The rules of zones are the system's (package tzdata), else those built in.

## Several files

Beside `/etc/watchward/agent.toml`, the files `conf.d/*.toml` belong to the configuration, in the order of their names, without
hidden ones: their `[[target]]`, `[[tenant]]` and other lists of sections are added, and no key may be given twice. A file named by
`--config` is whole: a `conf.d` beside it is not read, and a warning says so. Each has at most 4 MiB of UTF-8, and is no pipe.

## Environments

`[environment.NAME]` may hold every section. Where `[agent]` says `environment = "NAME"`, or the flag `--environment NAME`, which
wins, it is laid over the others: key by key, sections of a list over those of the same `name` (a tenant's `id`), with those that are
new added; other lists as a whole. It cannot name an environment itself. All environments are checked, but a variable must be set
only where its environment is in force.

```toml
[environment.production]
sample = { interval = "30s" }
alert  = { thresholds = { cpu_usage = 80, memory_usage = 85, connection_count = 1000 } }

[[environment.production.target]]
name     = "orders"
interval = "5s"
```

**Thresholds** stand at four levels, and the nearest wins: `[[target]]`, `[[tenant]]`, the environment's `[alert.thresholds]`, the plain
`[alert.thresholds]`. `watchward rules` prints what they expand to.
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
