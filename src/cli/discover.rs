//! `watchward discover`: the servers on this machine, and for those that want a login all that is to be typed.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::output::{self, tell};
use crate::cli::table::{Side, clean, columns};
use crate::cli::{REFUSED, UNKNOWN, WELL};
use crate::config::{self, Source, Surroundings, USUAL_PATH};
use crate::engines::contract::{Engine, Facts, Place, SESSION_NAME};
use crate::engines::sight::Found;
use crate::model::fault::Fault;
use crate::model::target::Url;
use crate::sample::discovery::{self, Said};
use crate::sys::{environment, files, groups, process, programs};

#[derive(Debug, Args)]
pub struct Discover {
    /// Write a configuration with what was found; an existing file is left as it is
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// A server that was found, and what it said.
pub struct Server {
    pub engine: &'static dyn Engine,
    pub found: Found,
    /// Where it was found: `found.url`, taken apart.
    pub url: Url,
    pub said: Said,
}

/// What the printed commands are made of, beside the servers.
pub struct Ways {
    /// How this program is called.
    pub program: String,
    /// Where passwords go.
    pub folder: PathBuf,
    /// The user who types.
    pub user: String,
    pub is_root: bool,
    /// The group of the agent as a service, where this is for it; else empty.
    pub group: &'static str,
    /// The configuration that was written.
    pub written: Option<PathBuf>,
}

/// Where the service has its configuration, and its group. Both are made with its unit.
const SERVICE_FOLDER: &str = "/etc/watchward";
const SERVICE_GROUP: &str = "watchward";

/// Looks, asks, writes where that is wanted, and prints.
pub fn print(wanted: &Discover) -> u8 {
    match discover(wanted) {
        Ok(text) => output::answer(&text, WELL),
        Err(fault) => {
            tell(&format!("error: {fault}"));
            if fault.code == "cli-01" { UNKNOWN } else { REFUSED }
        }
    }
}

fn discover(wanted: &Discover) -> Result<String, Fault> {
    let written = wanted.write.as_deref().map(whole_path).transpose()?;
    let folder = written.as_deref().and_then(Path::parent).map_or_else(usual_folder, Path::to_path_buf);
    let is_root = process::is_root();
    let service = groups::find(SERVICE_GROUP).filter(|_| is_root && folder.starts_with(SERVICE_FOLDER));
    let ways = Ways {
        program: shell(&programs::own_name()),
        folder: with_secrets(folder),
        user: programs::own_user(),
        is_root,
        group: if service.is_some() { SERVICE_GROUP } else { "" },
        written,
    };
    let servers = servers()?;
    if let Some(path) = &ways.written {
        let text = fragment(&servers, &ways);
        files::create_private(path, text.as_bytes()).map_err(|error| unwritable(path, &error))?;
        if let Some(group) = service {
            files::let_group_read(path, group.id).map_err(|error| unwritable(path, &error))?;
        }
    }
    Ok(if wanted.json { format!("{}\n", machine(&servers, &ways)) } else { text(&servers, &ways) })
}

/// Refused before anything is asked: nobody should wait to hear that it was in vain.
fn whole_path(path: &Path) -> Result<PathBuf, Fault> {
    let whole = files::absolute(path).map_err(|error| unwritable(path, &error))?;
    match files::version(&whole) {
        Some(_) => Err(unwritable(&whole, &std::io::ErrorKind::AlreadyExists.into())),
        None => Ok(whole),
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Fault {
    let (why, hint) = match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            ("it is there already".to_string(), "Nothing is overwritten: name another file, or move that one away.")
        }
        _ => (error.to_string(), "Does the folder exist, and may you write there?"),
    };
    Fault::new("cli-30", format!("cannot write {}: {why}", path.display())).hint(hint)
}

/// Where configuration is: root's in /etc, others' where the XDG base directory rules say.
fn usual_folder() -> PathBuf {
    if process::is_root() {
        return PathBuf::from("/etc/watchward");
    }
    let folder = |name: &str| environment::variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || folder("HOME").unwrap_or_else(|| PathBuf::from("/tmp")).join(".config");
    folder("XDG_CONFIG_HOME").unwrap_or_else(home).join("watchward")
}

/// The service's passwords have a folder of their own.
fn with_secrets(folder: PathBuf) -> PathBuf {
    let secrets = folder.join("secrets");
    if folder == Path::new(SERVICE_FOLDER) && files::version(&secrets).is_some() { secrets } else { folder }
}

/// Finds servers, and asks each once what it is, all at the same time.
fn servers() -> Result<Vec<Server>, Fault> {
    let loaded = config::load(&Source::default(), &Surroundings::of_this_process())
        .map_err(|problems| problems.into_iter().next().map_or_else(broken, |problem| problem.fault))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::new("cli-01", format!("cannot ask the servers: {error}")))?;
    let usable = discovery::servers()
        .into_iter()
        .filter_map(|(engine, found)| Some((engine, loaded.configuration.target_found(&found, engine).ok()?, found)));
    let asked = usable.map(|(engine, target, found)| async move {
        let said = discovery::ask(engine, &target).await;
        Server { engine, found, url: target.url, said }
    });
    Ok(runtime.block_on(futures_util::future::join_all(asked)))
}

fn broken() -> Fault {
    Fault::new("cli-31", "the built-in configuration is refused").hint("Please report this.")
}

impl Server {
    fn facts(&self) -> Option<&Facts> {
        match &self.said {
            Said::Open(facts) | Said::NeedsCredentials(_, facts) => Some(facts),
            Said::Nothing(_) => None,
        }
    }

    /// As the server says, or else its program.
    fn version(&self) -> &str {
        let said = self.facts().map_or("", |facts| facts.version_text.as_str());
        let version = if said.is_empty() { self.found.version.as_str() } else { said };
        version.split(' ').next().unwrap_or("") // packagers add words
    }

    fn state(&self) -> &'static str {
        match self.said {
            Said::Open(_) => "open",
            Said::NeedsCredentials(..) => "needs credentials",
            Said::Nothing(_) => "no answer",
        }
    }

    fn fault(&self) -> Option<&Fault> {
        match &self.said {
            Said::Open(_) => None,
            Said::NeedsCredentials(fault, _) | Said::Nothing(fault) => Some(fault),
        }
    }

    fn needs_credentials(&self) -> bool {
        matches!(self.said, Said::NeedsCredentials(..))
    }

    /// Whether it takes its logins from another.
    fn follows(&self) -> bool {
        self.facts().is_some_and(|facts| FOLLOWERS.contains(&facts.role.as_str()))
    }

    fn password_file(&self, ways: &Ways) -> PathBuf {
        ways.folder.join(format!("{}.pw", self.found.name))
    }

    /// The section that watches it.
    fn block(&self, ways: &Ways) -> String {
        let Server { engine, found, .. } = self;
        let (name, word) = (&found.name, engine.word());
        if !self.needs_credentials() {
            return format!("[[target]]\nname = {name:?}\nengine = {word:?}\nurl = {}\n", quoted(&found.url));
        }
        let file = quoted(&self.password_file(ways).display().to_string());
        let url = quoted(&found.login_url);
        format!("[[target]]\nname = {name:?}\nengine = {word:?}\nurl = {url}\npassword_file = {file}\n")
    }

    /// The command that prints the script for this very server.
    fn grants(&self, ways: &Ways) -> String {
        let mut parts = self.version().split('.');
        let two = match (parts.next().unwrap_or(""), parts.next()) {
            ("", _) => String::new(),
            (major, Some(minor)) => format!(" {major}.{minor}"),
            (major, None) => format!(" {major}"),
        };
        let told = |facts: &Facts, kind: &str| facts.flavour == kind || facts.role == kind;
        let is_kind = |kind: &&str| self.found.kind == *kind || self.facts().is_some_and(|facts| told(facts, kind));
        let mut kinds = self.engine.card().kinds.iter().map(|(kind, _)| *kind);
        let kind = kinds.find(is_kind).map_or(String::new(), |kind| format!(" --kind {kind}"));
        format!("{} grants {}{two}{kind}", ways.program, self.engine.word())
    }

    /// The commands that make the password and the login.
    fn commands(&self, ways: &Ways) -> [String; 2] {
        let file = self.password_file(ways);
        let (folder, file) = (shell(&ways.folder.display().to_string()), shell(&file.display().to_string()));
        let (mask, to_group) = match ways.group {
            "" => ("077", String::new()),
            group => ("027", format!(" && chgrp {group} {file}")),
        };
        let owner = &self.found.owner;
        let as_owner = match () {
            () if owner.is_empty() || *owner == ways.user => String::new(),
            () if ways.is_root => format!("runuser -u {owner} -- "),
            () => format!("sudo -u {owner} "),
        };
        let place = Place {
            url: &self.url,
            login: SESSION_NAME,
            script: &self.grants(ways),
            password_file: &file,
            as_owner: &as_owner,
        };
        if self.follows() {
            return [
                format!("(umask {mask} && mkdir -p {folder} && cat PRIMARYS_PASSWORD_FILE > {file}{to_group})"),
                "# It has the logins of its primary: make one there, and use the same password here.".to_string(),
            ];
        }
        [
            format!("(umask {mask} && mkdir -p {folder} && head -c 18 /dev/urandom | base64 > {file}{to_group})"),
            self.engine.grants_line(&place),
        ]
    }
}

/// Roles of servers that take their logins from another.
const FOLLOWERS: [&str; 2] = ["replica", "secondary"];

/// A string as TOML and JSON both write it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A word for the shell.
fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if word.chars().all(is_plain) { word.to_string() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// What people read: what was found, and what to type for those that want a login.
pub fn text(servers: &[Server], ways: &Ways) -> String {
    let mut rows = Vec::new();
    for server in servers {
        let flavour = server.facts().map_or("", |facts| facts.flavour.as_str());
        let engine = [server.engine.word(), server.version(), flavour].join(" ");
        let role = server.facts().map_or("", |facts| facts.role.as_str());
        let why = server.fault().filter(|_| !server.needs_credentials()).map_or("", |fault| fault.what.as_str());
        let row = [server.found.name.as_str(), engine.trim_end(), role, server.state(), why];
        rows.push(row.map(clean).to_vec());
    }
    if servers.is_empty() {
        return "No server was found on this machine. The host itself is watched without a configuration.\n"
            .to_string();
    }
    let mut out = columns(&["FOUND", "ENGINE", "ROLE", "STATE", "WHY"].map(|head| (head, Side::Left)), &rows);
    for server in servers.iter().filter(|server| server.needs_credentials()) {
        let [password, login] = server.commands(ways);
        out.push_str(&format!(
            "\n{} needs credentials ({}).\nA password in a file of yours, and a login with the least privilege:\n\n  \
             {password}\n  {login}\n",
            server.found.name,
            server.fault().map_or("", |fault| fault.what.as_str())
        ));
        if server.version().is_empty() && !server.follows() {
            out.push_str(&format!(
                "\nWithout a login it does not say its version: where it is not the newest, name it behind `grants {}`.\n",
                server.engine.word()
            ));
        }
        if ways.written.is_none() {
            let block: String = server.block(ways).lines().map(|line| format!("  {line}\n")).collect();
            out.push_str(&format!("\nand in the configuration:\n\n{block}"));
        }
    }
    out.push_str(&farewell(servers, ways));
    out
}

/// What to do last.
fn farewell(servers: &[Server], ways: &Ways) -> String {
    let program = &ways.program;
    match &ways.written {
        Some(path) if !ways.group.is_empty() && path == Path::new(USUAL_PATH) => format!(
            "\n{} names all of them. Check it, and have the service watch:\n\n  \
             {program} check-config\n  systemctl restart watchward\n  {program} status\n",
            path.display()
        ),
        Some(path) => {
            let path = shell(&path.display().to_string());
            format!(
                "\n{path} names all of them. Check it, and watch (an agent that runs already must be stopped before):\n\n  \
                 {program} check-config --config {path}\n  {program} --config {path}\n\n\
                 In another terminal, ask how all is:\n\n  \
                 {program} status --config {path}\n"
            )
        }
        None if servers.iter().any(Server::needs_credentials) => {
            format!("\nA configuration with all of them is written by: {program} discover --write FILE\n")
        }
        None => format!("\nWhat is open is watched without a configuration: {program}\n"),
    }
}

/// A configuration that watches what was found, with what is still to be typed as comments.
pub fn fragment(servers: &[Server], ways: &Ways) -> String {
    let mut out = format!(
        "# What was found on this machine. Where targets are named, nothing else is watched: add what is to come.\n\
         # {} check-config --config FILE says whether this is sound; docs/configuration.md has every key.\n\n\
         [[target]]\nname = \"this-host\"\nengine = \"host\"\n",
        ways.program
    );
    for server in servers {
        let about = format!("{} {}", server.engine.word(), server.version());
        let block = server.block(ways);
        match &server.said {
            Said::Open(_) => {
                out.push_str(&format!("\n# {}: it lets everybody on this machine read.\n{block}", about.trim_end()))
            }
            Said::NeedsCredentials(..) => {
                let [password, login] = server.commands(ways);
                out.push_str(&format!(
                    "\n# {}: it needs a login. These make the password and the login:\n#   {password}\n#   {login}\n{block}",
                    about.trim_end()
                ));
            }
            Said::Nothing(fault) => {
                let block: String = block.lines().map(|line| format!("#{line}\n")).collect();
                let why: String = fault.what.lines().map(|line| format!("# {line}\n")).collect();
                out.push_str(&format!("\n# {}: it gave no answer of use:\n{why}{block}", about.trim_end()));
            }
        }
    }
    out
}

/// The same for programs.
pub fn machine(servers: &[Server], ways: &Ways) -> Value {
    let one = |server: &Server| {
        let facts = server.facts().cloned().unwrap_or_default();
        let mut one = json!({
            "name": server.found.name, "engine": server.engine.word(), "url": server.found.url,
            "version": server.version(), "flavour": facts.flavour, "role": facts.role,
            "state": server.state().replace(' ', "_"), "fault": server.fault(), "target": server.block(ways),
        });
        if server.needs_credentials() {
            one["commands"] = json!(server.commands(ways));
        }
        one
    };
    json!({ "servers": servers.iter().map(one).collect::<Vec<_>>(), "written": ways.written })
}
