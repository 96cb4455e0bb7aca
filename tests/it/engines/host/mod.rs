//! Tests of `src/engines/host`: the recorded tree against node_exporter's own output, this machine, and mounts that hang.

mod groups;
mod machine;
mod mounts;
mod parsers;
mod recorded;
mod rules;
mod systemd;
mod ttar;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use watchward::engines;
use watchward::engines::contract::{Answer, Emit, Facts, Row, Session};
use watchward::engines::host::monitor::rows::ROWS;
use watchward::engines::host::session::HostSession;
use watchward::engines::take::take;
use watchward::model::reading::Unknown;
use watchward::model::row::{Family, Metric};

const BUDGET: Duration = Duration::from_secs(10);

/// Points as lines of the text format: `name{a="1",b="2"} 3`, labels sorted, those without a value left out.
#[derive(Default)]
struct Lines(Vec<String>);

impl Emit for Lines {
    fn metric(&mut self, metric: &'static Metric, labels: &[(&str, &str)], value: f64) {
        self.0.push(line(metric.name, labels, value));
    }

    fn family(&mut self, family: &'static Family, part: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push(line(&family.name(part), labels, value));
    }
}

fn line(name: &str, labels: &[(&str, &str)], value: f64) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels = labels.iter().filter(|(_, value)| !value.is_empty());
    let mut labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    labels.sort();
    if labels.is_empty() { format!("{name} {value}") } else { format!("{name}{{{}}} {value}", labels.join(",")) }
}

/// What one row gives of the tree under a root.
async fn read(session: &mut HostSession, row: &'static Row) -> Result<Vec<String>, Unknown> {
    let answer = session.ask(row, BUDGET).await?;
    points(row, &answer)
}

fn points(row: &'static Row, answer: &Answer) -> Result<Vec<String>, Unknown> {
    let mut lines = Lines::default();
    take(row, answer, &Facts::default(), &mut lines)?;
    Ok(lines.0)
}

fn row(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.name == name).expect("a row of this name")
}

/// What a row makes of one file's text.
fn parse(name: &str, path: &str, text: &str) -> Result<Vec<String>, Unknown> {
    let table = engines::contract::Table {
        columns: vec!["path".to_string(), "text".to_string()],
        rows: vec![vec![Some(path.to_string()), Some(text.to_string())]],
    };
    points(row(name), &Answer::Table(table))
}

fn session(root: &Path) -> HostSession {
    HostSession::new(root.to_path_buf())
}

/// A folder that is removed again.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("watchward-host-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // left behind, it harms nobody
    }
}
