//! Programs as children: started, weighed by what the kernel says of them, ended by their id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::Outcome;
use crate::common::folder::Folder;

/// /proc/PID/stat counts in hundredths of a second on every Linux architecture that Debian has (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// A running program.
pub struct Process {
    pub name: String,
    child: Child,
    log: PathBuf,
}

/// What a process has used, and holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Processor time since it began, all threads that are or were, and children that ended. The kernel takes the sum
    /// from the scheduler's own account (`sum_exec_runtime`), not from the timer's samples.
    pub cpu: Duration,
    pub pss_kib: u64,
    pub rss_kib: u64,
    /// Memory of its own that no file backs: heap and stacks.
    pub anonymous_kib: u64,
    pub peak_rss_kib: u64,
}

impl Process {
    /// Starts a program; it ends with this one, however this one ends. It runs as a copy, which no other process of the
    /// machine shares pages with: PSS then holds all of the program's text.
    pub fn start(name: &str, program: &Path, folder: &Folder, with: impl FnOnce(&mut Command)) -> Outcome<Process> {
        let copy = folder.inner("programs")?.join(name);
        fs::copy(program, &copy).map_err(|error| format!("no copy of {}: {error}", program.display()))?;
        let log = folder.path().join(format!("{name}.log"));
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = file.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(copy);
        with(&mut command);
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
        let child = child.map_err(|error| format!("{name} does not start: {error}"))?;
        Ok(Process { name: name.to_string(), child, log })
    }

    /// # Errors
    /// It ended by itself; with the end of its log.
    pub fn is_running(&mut self) -> Outcome<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            ended => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().rev().take(8).collect();
                let end: Vec<&str> = lines.into_iter().rev().collect();
                Err(format!("{} ended ({ended:?}):\n{}", self.name, end.join("\n")))
            }
        }
    }

    pub fn cost(&self) -> Outcome<Cost> {
        let path = |file: &str| format!("/proc/{}/{file}", self.child.id());
        let read = |file: &str| fs::read_to_string(path(file)).map_err(|error| format!("{}: {error}", self.name));
        let (stat, memory, status) = (read("stat")?, read("smaps_rollup")?, read("status")?);
        Ok(Cost {
            cpu: cpu(&stat).ok_or(format!("{}: '{stat}' has no times", self.name))?,
            pss_kib: kib(&memory, "Pss:"),
            rss_kib: kib(&memory, "Rss:"),
            anonymous_kib: kib(&memory, "Anonymous:"),
            peak_rss_kib: kib(&status, "VmHWM:"),
        })
    }

    /// Ends it as a service manager does, and waits.
    pub fn stop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Ok(None), Some(pid)) = (self.child.try_wait(), pid) {
            let _ = kill_process(pid, Signal::TERM); // it may end by itself right now
            let began = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// utime, stime, cutime and cstime: the 12th to 15th word after the name in brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let words: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: Option<u32> = words.get(11..15)?.iter().map(|word| word.parse::<u32>().ok()).sum();
    Some(TICK * ticks?)
}

fn kib(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
