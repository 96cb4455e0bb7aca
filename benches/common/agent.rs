//! The agent as a child: configured for some targets, started, asked, and ended when dropped.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::folder::Folder;
use crate::common::net::{free_port, get};
use crate::common::processes::Process;
use crate::common::servers::Target;
use crate::common::{Outcome, wait};

/// An agent: ready to start, or running.
pub struct Agent {
    process: Option<Process>,
    program: PathBuf,
    config: PathBuf,
    name: String,
    pub port: u16,
}

impl Agent {
    /// Writes its configuration. `sections` stands before the targets.
    pub fn configure(
        name: &str,
        program: &Path,
        targets: &[Target],
        sections: &str,
        folder: &Folder,
    ) -> Outcome<Agent> {
        let (port, state_dir) = (free_port()?, folder.inner(name)?);
        let mut text = format!(
            "[agent]\nname = \"bench\"\nstate_dir = {state_dir:?}\n\n[serve]\nlisten = \"127.0.0.1:{port}\"\n\n\
             [sample]\ninterval = \"5s\"\n\n{sections}\n"
        );
        for target in targets {
            let _ = writeln!(text, "{}\n", target.text); // a String takes everything
        }
        let config = folder.write(&format!("{name}.toml"), &text)?;
        Ok(Agent { process: None, program: program.to_path_buf(), config, name: name.to_string(), port })
    }

    /// Starts it, and waits until it is ready.
    pub fn start(&mut self, folder: &Folder) -> Outcome<()> {
        let process = Process::start(&self.name, &self.program, folder, |command| {
            command.args(["run", "--config"]).arg(&self.config);
        })?;
        let process = self.process.insert(process);
        let port = self.port;
        wait("the agent is ready", Duration::from_secs(60), || {
            process.is_running()?;
            Ok(get(port, "/readyz").is_some())
        })
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.process = None;
    }

    pub fn process(&self) -> Outcome<&Process> {
        self.process.as_ref().ok_or(format!("{} was not started", self.name))
    }

    /// The sum of one of its own metrics over all series whose text begins so: `watchward_sample_cycles_total{up="1"}`.
    pub fn metric(&self, series: &str) -> Outcome<f64> {
        let text = get(self.port, "/metrics").ok_or("no answer to /metrics")?;
        let values = text.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// Waits until it has made so many cycles in which a target was up.
    pub fn wait_cycles(&self, count: f64) -> Outcome<()> {
        wait(&format!("{count} cycles"), Duration::from_secs(120), || {
            Ok(self.metric("watchward_sample_cycles_total{up=\"1\"}")? >= count)
        })
    }
}
