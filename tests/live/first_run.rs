//! The first run: from servers just installed to a watched one with a login, by typing only what the program prints.
//!
//! The servers are fresh, on their default ports, in a network and a /var/run/postgresql of the test's own: as packages
//! leave them, PostgreSQL lets only its own user in over the socket, and Redis everybody.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::agent::{Folder, wait};

const POSTGRESQL: &str = "/usr/lib/postgresql/15/bin";

/// A machine of the test's own, as far as networks and the folders of packages go. What runs on it dies with it.
struct Machine {
    holder: Child,
    running: Vec<Child>,
    folder: PathBuf,
    /// The user that the servers run as.
    owner: String,
    is_root: bool,
}

impl Machine {
    fn new(folder: &Folder) -> Machine {
        let is_root = said("id", &["-u"]) == "0";
        let ready = folder.0.join("ready");
        // Our own folders in place of the packages'; then for an ordinary user his own name again: servers refuse root.
        let own = if is_root { "exec" } else { "exec unshare -U --map-user=$OUR_USER --map-group=$OUR_GROUP" };
        let setup = format!(
            "ip link set lo up && mount -t tmpfs -o mode=1777 tmpfs /var/run/postgresql && \
             mount -t tmpfs tmpfs /var/lib && {own} sh -c 'touch {}; exec sleep 3600'",
            ready.display()
        );
        let flags: &[&str] = if is_root { &["-n", "-m"] } else { &["-r", "-n", "-m"] };
        let holder = Command::new("unshare")
            .args(flags)
            .args(["--", "bash", "-c", &setup])
            .env("OUR_USER", said("id", &["-u"]))
            .env("OUR_GROUP", said("id", &["-g"]))
            .spawn()
            .expect("unshare");
        wait("the machine stands", Duration::from_secs(60), || ready.exists());
        let owner = if is_root { "postgres".to_string() } else { said("id", &["-un"]) };
        Machine { holder, running: Vec::new(), folder: folder.0.clone(), owner, is_root }
    }

    fn inside(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.holder.id().to_string(), "-n", "-m"]);
        if !self.is_root {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.args(["--", "bash", "-c", line]).current_dir("/tmp");
        command.env("XDG_STATE_HOME", self.folder.join("xdg")).env_remove("LC_ALL");
        command
    }

    /// Runs a line as it was printed, with this typed into it: exit code and both outputs.
    fn types(&self, line: &str, input: &str) -> (i32, String) {
        let input_file = self.folder.join("typed");
        fs::write(&input_file, input).expect("what is typed");
        let mut command = self.inside(&format!("{line} 2>&1"));
        let output = command.stdin(fs::File::open(&input_file).expect("it")).output().expect("bash");
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn ok(&self, line: &str) -> String {
        let (code, out) = self.types(line, "");
        assert_eq!(code, 0, "{line}\n{out}");
        out
    }

    /// Starts something that stays, its output in a file.
    fn starts(&mut self, name: &str, line: &str) {
        let log = fs::File::create(self.folder.join(name)).expect("a log");
        let error = log.try_clone().expect("a log");
        let mut command = self.inside(&format!("exec {line}"));
        self.running.push(command.stdin(Stdio::null()).stdout(log).stderr(error).spawn().expect("bash"));
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Ends what was started last, as Ctrl-C does.
    fn stops(&mut self) {
        end(&mut self.running.pop().expect("something runs"));
    }

    /// A command as the servers' user, in a process of its own.
    fn as_owner(&self) -> String {
        let owner = &self.owner;
        if self.is_root { format!("setpriv --reuid {owner} --regid {owner} --init-groups ") } else { String::new() }
    }

    /// PostgreSQL as Debian's package makes it: peer on the socket, SCRAM on TCP, a superuser named as its user.
    fn postgresql(&mut self) {
        let (dir, run) = (self.folder.join("pg"), self.as_owner());
        fs::create_dir(&dir).expect("a folder");
        self.give(&dir);
        let dir = dir.display();
        self.ok(&format!(
            "{run}{POSTGRESQL}/initdb -D {dir}/data -U {} --auth-local=peer --auth-host=scram-sha-256 --no-sync >/dev/null",
            self.owner
        ));
        self.starts("postgresql.log", &format!("{run}{POSTGRESQL}/postgres -D {dir}/data -c fsync=off"));
        wait("PostgreSQL answers", Duration::from_secs(90), || {
            self.types(&format!("{POSTGRESQL}/pg_isready -q"), "").0 == 0
        });
    }

    fn redis(&mut self, port: u16, options: &str) {
        let line = format!("{}redis-server --port {port} --save '' --dir /tmp {options}", self.as_owner());
        self.starts(&format!("redis-{port}.log"), &line);
        wait("Redis answers", Duration::from_secs(60), || {
            self.types(&format!("redis-cli -p {port} ping"), "").1.contains(['P', 'N'])
        });
    }

    fn give(&self, path: &Path) {
        if self.is_root {
            self.ok(&format!("chown {} {}", self.owner, path.display()));
        }
    }

    /// The running agent's targets, by `watchward status`.
    fn target(&self, config: &str, name: &str) -> Value {
        let (_, out) = self.types(&format!("{PROGRAM} status --json {config}"), "");
        let status: Value = serde_json::from_str(&out).unwrap_or_default();
        let all = status["targets"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["name"] == name).unwrap_or_default()
    }

    fn asks(&self, path: &str) -> String {
        self.ok(&format!("curl -sS --noproxy '*' -g 'http://127.0.0.1:9468{path}'"))
    }

    /// How many series an expression gives.
    fn series(&self, expression: &str) -> usize {
        let line = format!(
            "curl -sS --noproxy '*' -G http://127.0.0.1:9468/api/v1/query --data-urlencode 'query={expression}'"
        );
        let answer: Value = serde_json::from_str(&self.ok(&line)).expect("JSON");
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.running.drain(..).rev().for_each(|mut one| end(&mut one));
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        if std::thread::panicking() {
            for name in ["postgresql.log", "first.log", "second.log"] {
                eprintln!("{name}:\n{}", self.log(name));
            }
        }
    }
}

/// Ends a program as Ctrl-C does, or if it does not heed that, at once.
fn end(program: &mut Child) {
    let _ = Command::new("kill").args(["-INT", &program.id().to_string()]).status(); // it may have ended already
    for _ in 0..100 {
        if program.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = program.kill();
    let _ = program.wait();
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_watchward");

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect(program);
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

/// The commands that a text tells to type: they are set in by two blanks.
fn commands(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_string).collect()
}

#[test]
fn a_new_user_gets_from_nothing_to_a_watched_login_by_what_is_printed() {
    let folder = Folder::new();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).expect("its mode");
    let mut machine = Machine::new(&folder);
    machine.postgresql();
    machine.redis(6379, "");
    machine.redis(7001, "--requirepass typed-by-a-person");
    let began = Instant::now();

    // Without any configuration: what is open is up, what wants a login is neither up nor down, and is asked once.
    machine.starts("first.log", &format!("{PROGRAM} run"));
    wait("Redis is up", Duration::from_secs(60), || machine.target("", "redis-6379")["up"] == true);
    wait("credentials are wanted", Duration::from_secs(60), || {
        ["postgresql-5432", "redis-7001"].iter().all(|name| machine.target("", name)["needs_credentials"] == true)
    });
    let told = machine.log("first.log");
    let words = format!("postgresql-5432 needs credentials: `{PROGRAM} discover` prints what to do");
    assert!(told.contains(&words), "{told}");
    let first = machine.target("", "postgresql-5432")["last_cycle"].clone();
    assert!(first.is_string(), "{first}");
    wait("a second cycle", Duration::from_secs(60), || machine.target("", "postgresql-5432")["last_cycle"] != first);
    let wanted = machine.target("", "postgresql-5432");
    assert_eq!((&wanted["up"], &wanted["series"]), (&Value::Null, &Value::from(1)), "{wanted}");
    assert!(wanted["fault"]["hint"].as_str().expect("a hint").starts_with("Run `watchward discover`:"), "{wanted}");
    let (code, table) = machine.types(&format!("{PROGRAM} status"), "");
    let row = table.lines().find(|line| line.contains("  postgresql-5432  ")).expect("a row");
    assert!(code < 2 && row.starts_with("needs credentials  "), "{code}: {table}");
    let refused = machine.log("postgresql.log").matches("Peer authentication failed for user \"watchward\"").count();
    assert_eq!(refused, 1, "one attempt, over and again only when the configuration changes");
    let metrics = machine.asks("/metrics");
    let state =
        "watchward_target_state{state=\"needs_credentials\",instance=\"/var/run/postgresql:5432\",job=\"postgres\",";
    assert!(metrics.contains(state), "{metrics}");
    assert_eq!(machine.series("up{target=~\"postgresql-5432|redis-7001\"}"), 0, "neither up nor down");
    assert_eq!(machine.series("up"), 2);
    assert!(!machine.asks("/api/v1/alerts").contains("postgresql-5432"));
    assert!(!machine.asks("/api/v1/findings").contains("postgresql-5432"));

    // What is printed, typed.
    let config = folder.0.join("agent.toml").display().to_string();
    let printed = machine.ok(&format!("{PROGRAM} discover --write {config}"));
    let steps = commands(&printed);
    assert_eq!(steps.len(), 7, "two for each login, the check, the agent, how all is:\n{printed}");
    for step in &steps[..4] {
        let (code, out) = machine.types(step, "typed-by-a-person\n");
        assert_eq!(code, 0, "{step}\n{out}");
        let is_odd = ["ERR", "NOPERM", "could not change directory"].iter().any(|word| out.contains(word));
        assert!(!is_odd, "{step}\n{out}");
    }
    machine.stops();
    assert!(machine.ok(&steps[4]).contains("postgresql-5432"), "it is in effect");
    machine.starts("second.log", &steps[5]);
    let source = format!("--config {config}");
    for name in ["postgresql-5432", "redis-6379", "redis-7001", "this-host"] {
        wait(&format!("{name} is up"), Duration::from_secs(90), || machine.target(&source, name)["up"] == true);
    }
    let (code, said) = machine.types(&steps[6], "");
    assert!(code < 2 && said.contains("\nup     postgresql-5432  "), "{code}: {said}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(300), "five minutes, and nothing was typed by hand: {took:?}");
    println!("from nothing to a watched login: {took:?}");

    // The login has what it was given and no more, its password is nowhere but in its file.
    let status = machine.target(&source, "postgresql-5432");
    let unknown: Vec<&str> =
        status["unknown_rows"].as_array().expect("rows").iter().filter_map(|row| row["row"].as_str()).collect();
    assert_eq!(unknown, ["stat_statements"], "the extension is not there: {status}");
    assert_eq!(machine.target(&source, "redis-7001")["unknown_rows"], serde_json::json!([]));
    assert!(machine.asks("/metrics?target=postgresql-5432").contains("pg_up 1"));
    let file = folder.0.join("postgresql-5432.pw");
    let password = fs::read_to_string(&file).expect("a password");
    assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    let all = [machine.log("postgresql.log"), machine.log("first.log"), machine.log("second.log"), printed];
    assert!(password.trim().len() >= 24 && all.iter().all(|text| !text.contains(password.trim())));
    let owner = machine.as_owner();
    let grants = machine.ok(&format!(
        "{owner}psql -X -At -d postgres -c \"SELECT rolsuper, rolcreatedb, rolcreaterole, left(rolpassword, 13), \
         (SELECT string_agg(pg_get_userbyid(roleid), ',') FROM pg_auth_members WHERE member = a.oid) \
         FROM pg_authid a WHERE rolname = 'watchward'\""
    ));
    assert_eq!(grants, "f|f|f|SCRAM-SHA-256|pg_monitor\n");

    // A privilege that is taken away is named.
    machine.ok(&format!("{owner}psql -X -q -d postgres -c 'REVOKE pg_monitor FROM watchward'"));
    machine.ok("REDISCLI_AUTH=typed-by-a-person redis-cli -p 7001 ACL SETUSER watchward -slowlog\\|get");
    wait("rows are unknown", Duration::from_secs(120), || {
        let reasons = |name: &str| machine.target(&source, name)["unknown_rows"].to_string();
        reasons("postgresql-5432").contains("needs pg_monitor, which the agent's login lacks")
            && reasons("redis-7001").contains("; the row needs +slowlog|get")
    });
}
