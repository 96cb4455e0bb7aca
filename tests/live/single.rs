//! Servers of one version, of a test's own: nothing that is changed on them has to be put back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use watchward::model::target::{Target, Url};

use crate::agent::{free_port, wait};
use crate::servers::{engine, servers, target};

/// The login for actions, and its password.
pub const LOGIN: &str = "watchward_act";
pub const PASSWORD: &str = "planted-action-password";

/// The versions of PostgreSQL that tests/servers/up got, with their programs' folders.
pub fn postgresql_versions() -> Vec<(u32, PathBuf)> {
    let all = programs("WW_PG_BIN_DIRS");
    all.into_iter().map(|(version, folder)| (version.parse().expect("a major version"), folder)).collect()
}

/// The versions of Redis, with their programs.
pub fn redis_versions() -> Vec<(String, PathBuf)> {
    programs("WW_REDIS_SERVERS")
}

fn programs(key: &str) -> Vec<(String, PathBuf)> {
    let servers = servers();
    let pairs = servers.value(key).split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(version, path)| (version.to_string(), PathBuf::from(path))).collect()
}

/// A folder for a server's user. Server programs refuse root, so it is not the tests' own.
fn folder_of(user: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(format!("/var/tmp/watchward-single-{}-{number}", std::process::id()));
    fs::create_dir(&path).expect("a folder for the server");
    if is_root() {
        done(Command::new("chown").arg(user).arg(&path));
    }
    path
}

fn is_root() -> bool {
    watchward::sys::process::is_root()
}

/// A command as a server's user; it ends when the test does.
fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]);
    if is_root() {
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_string()]);
    }
    command.arg("--").arg(program).current_dir("/");
    command
}

fn done(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A PostgreSQL server.
pub struct Postgresql {
    pub version: u32,
    pub port: u16,
    pub folder: PathBuf,
    programs: PathBuf,
    child: Option<Child>,
}

impl Postgresql {
    /// Makes a cluster and starts it; `arguments` are the server's own.
    pub fn begin(version: u32, programs: &Path, arguments: &[&str]) -> Postgresql {
        let user = servers().value("WW_PG_OS_USER").to_string();
        let folder = folder_of(&user);
        let data = folder.join("data");
        done(as_user(&user, &programs.join("initdb")).arg("-D").arg(&data).args([
            "-U",
            "postgres",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]));
        let mut server =
            Postgresql { version, port: free_port(), folder, programs: programs.to_path_buf(), child: None };
        server.start(arguments);
        server
    }

    /// A standby of this server, which streams from it.
    pub fn standby(&self, arguments: &[&str]) -> Postgresql {
        let user = servers().value("WW_PG_OS_USER").to_string();
        let folder = folder_of(&user);
        let mut copy = as_user(&user, &self.programs.join("pg_basebackup"));
        copy.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-U", "postgres", "-p", &self.port.to_string()]);
        done(copy.arg("-h").arg(&self.folder).arg("-D").arg(folder.join("data")));
        let (port, programs) = (free_port(), self.programs.clone());
        let mut standby = Postgresql { version: self.version, port, folder, programs, child: None };
        standby.start(arguments);
        standby
    }

    pub fn start(&mut self, arguments: &[&str]) {
        let user = servers().value("WW_PG_OS_USER").to_string();
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let child = as_user(&user, &self.programs.join("postgres"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-F", "-k"])
            .arg(&self.folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the server starts"));
        wait("PostgreSQL answers", Duration::from_secs(30), || self.try_psql("SELECT 1").is_ok());
    }

    /// Ends it at once, as a crash does.
    pub fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        self.try_psql_in("postgres", sql)
    }

    /// As the superuser, in a database.
    pub fn psql_in(&self, database: &str, sql: &str) -> String {
        self.try_psql_in(database, sql).unwrap_or_else(|error| panic!("{database}: {sql}: {error}"))
    }

    pub fn try_psql_in(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(servers().value("WW_PSQL"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database])
            .args(["-h", &self.folder.display().to_string(), "-p", &self.port.to_string(), "-c", sql])
            .stdin(Stdio::null())
            .output()
            .expect("psql runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_string();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// As the superuser.
    pub fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs a script of psql's as the superuser, but for its last line, which asks for a password.
    fn script(&self, script: &str) {
        let (script, asks) = script.trim_end().rsplit_once('\n').expect("lines");
        assert!(asks.starts_with("\\password "), "{asks}");
        let path = self.folder.join("script.sql");
        fs::write(&path, script).expect("the script");
        let mut psql = Command::new(servers().value("WW_PSQL"));
        psql.args(["-X", "-q", "-U", "postgres", "-d", "postgres", "-p", &self.port.to_string(), "-h"]);
        done(psql.arg(&self.folder).arg("-f").arg(&path));
    }

    /// The file that ALTER SYSTEM writes, as it is.
    pub fn written(&self) -> String {
        fs::read_to_string(self.folder.join("data/postgresql.auto.conf")).expect("the file")
    }

    /// Makes the login for actions as the engine's own script does it, and lets it change these settings.
    pub fn login(&self, settings: &[&str]) {
        let script = engine("postgresql").action_grants(LOGIN, Some((self.version, 0))).expect("a script");
        self.script(&script);
        if self.version >= 15 {
            self.psql(&format!("REVOKE ALTER SYSTEM ON PARAMETER work_mem FROM {LOGIN}"));
            for setting in settings {
                self.psql(&format!("GRANT ALTER SYSTEM ON PARAMETER {setting} TO {LOGIN}"));
            }
        }
        self.psql(&format!("ALTER ROLE {LOGIN} PASSWORD '{PASSWORD}'"));
    }

    /// The target, with the login that watches made as the engine's own script does it.
    pub fn watched(&self) -> Target {
        let script = engine("postgresql").grants("watchward", Some((self.version, 0)), "");
        self.script(&script);
        self.psql(&format!("ALTER ROLE watchward PASSWORD '{PASSWORD}'"));
        let mut target = self.target();
        target.url.user = "watchward".to_string();
        target
    }

    /// The target with the login for actions as its user.
    pub fn target(&self) -> Target {
        let url = Url {
            scheme: "postgres".to_string(),
            user: LOGIN.to_string(),
            host: "127.0.0.1".to_string(),
            port: self.port,
            ..Url::default()
        };
        target("postgresql", url, PASSWORD)
    }
}

impl Drop for Postgresql {
    fn drop(&mut self) {
        self.crash();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// PgBouncer before a server, in transaction mode.
pub struct Pooler {
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl Pooler {
    pub fn begin(server: &Postgresql, login: &str) -> Pooler {
        let user = servers().value("WW_PG_OS_USER").to_string();
        let (folder, port) = (folder_of(&user), free_port());
        let file = |name: &str| folder.join(name).display().to_string();
        fs::write(file("users"), format!("\"{login}\" \"{PASSWORD}\"\n")).expect("users");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             stats_users = {login}\ndefault_pool_size = 2\nlogfile = {}\n",
            server.port,
            file("users"),
            file("log")
        );
        fs::write(file("pgbouncer.ini"), text).expect("its configuration");
        let mut program = as_user(&user, Path::new(servers().value("WW_PGBOUNCER")));
        let child = program.arg("-q").arg(file("pgbouncer.ini")).stdin(Stdio::null()).spawn().expect("it starts");
        wait("PgBouncer listens", Duration::from_secs(30), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Pooler { port, folder, child }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A Redis server without a password for its administrator.
pub struct Redis {
    pub port: u16,
    pub folder: PathBuf,
    program: PathBuf,
    child: Option<Child>,
}

impl Redis {
    pub fn begin(program: &Path, arguments: &[&str]) -> Redis {
        let folder = folder_of("redis");
        fs::write(folder.join("users.acl"), "").expect("an ACL file");
        if is_root() {
            done(Command::new("chown").arg("redis").arg(folder.join("users.acl")));
        }
        let mut server = Redis { port: free_port(), folder, program: program.to_path_buf(), child: None };
        server.start(arguments);
        server
    }

    /// A Sentinel that watches nothing.
    pub fn begin_sentinel(program: &Path) -> Redis {
        let folder = folder_of("redis");
        let port = free_port();
        let file = folder.join("sentinel.conf");
        fs::write(&file, format!("port {port}\nbind 127.0.0.1\ndir {}\n", folder.display())).expect("a file");
        if is_root() {
            done(Command::new("chown").arg("redis").arg(&file));
        }
        let child = as_user("redis", program).arg(&file).arg("--sentinel").stdout(Stdio::null()).spawn();
        let server = Redis { port, folder, program: program.to_path_buf(), child: Some(child.expect("it starts")) };
        wait("Sentinel answers", Duration::from_secs(30), || server.cli(&["PING"]) == "PONG");
        server
    }

    pub fn start(&mut self, arguments: &[&str]) {
        let child = as_user("redis", &self.program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(&self.folder)
            .arg("--aclfile")
            .arg(self.folder.join("users.acl"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("the server starts"));
        wait("Redis answers", Duration::from_secs(30), || self.cli(&["PING"]) == "PONG");
    }

    /// Ends it at once, as a crash does.
    pub fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A command of the administrator's, and the answer as redis-cli prints it.
    pub fn cli(&self, command: &[&str]) -> String {
        let output = Command::new(servers().value("WW_REDIS_CLI"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(command)
            .stdin(Stdio::null())
            .output();
        String::from_utf8_lossy(&output.expect("redis-cli runs").stdout).trim_end_matches('\n').to_string()
    }

    /// What a parameter is.
    pub fn config(&self, name: &str) -> String {
        let answer = self.cli(&["CONFIG", "GET", name]);
        answer.split_once('\n').map_or(String::new(), |(_, value)| value.to_string())
    }

    /// Makes the login for actions as the engine's own script does it.
    pub fn login(&self) {
        let script = engine("redis").action_grants(LOGIN, None).expect("a script");
        let password = format!("ACL SETUSER {LOGIN} on >{PASSWORD}");
        for line in script.lines().filter(|line| !line.starts_with('#')).chain([password.as_str(), "ACL SAVE"]) {
            assert_eq!(self.cli(&line.split_whitespace().collect::<Vec<_>>()), "OK", "{line}");
        }
    }

    /// The target with the login for actions as its user.
    pub fn target(&self) -> Target {
        let url = Url {
            scheme: "redis".to_string(),
            user: LOGIN.to_string(),
            host: "127.0.0.1".to_string(),
            port: self.port,
            ..Url::default()
        };
        target("redis", url, PASSWORD)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.crash();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A MongoDB server that is no member of a set, and lets everybody in. Any server's user will do for it.
pub struct Mongod {
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl Mongod {
    pub fn begin(arguments: &[&str]) -> Mongod {
        let folder = folder_of("redis");
        let port = free_port();
        let child = as_user("redis", Path::new(servers().value("WW_MONGOD")))
            .args(["--port", &port.to_string(), "--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false", "--unixSocketPrefix"])
            .arg(&folder)
            .arg("--dbpath")
            .arg(&folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let server = Mongod { port, folder, child: child.expect("it starts") };
        wait("MongoDB listens", Duration::from_secs(60), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
