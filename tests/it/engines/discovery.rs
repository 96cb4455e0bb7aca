//! Discovery: which programs, ports and sockets are a server of which engine, and each once.

use watchward::engines::sight::{Found, Program, Sight};
use watchward::engines::{ALL, find};

/// A program with its command line; the last part is where it listens, if we may look.
fn program(user: &str, command: &str, ports: &[u16]) -> Program {
    Program {
        command: command.split(' ').map(str::to_string).collect(),
        user: user.to_string(),
        ports: ports.iter().copied().collect(),
        ..Program::default()
    }
}

/// A machine on which these programs run and these ports and sockets are listened on.
fn sight(programs: Vec<Program>, ports: &[u16], sockets: &[&str]) -> Sight {
    Sight {
        ports: ports.iter().copied().collect(),
        sockets: sockets.iter().map(ToString::to_string).collect(),
        programs,
    }
}

fn found(word: &str, sight: &Sight) -> Vec<Found> {
    find(word).expect("an engine").discover(sight)
}

/// The names and URLs of what is found.
fn check(word: &str, sight: &Sight, expected: &[(&str, &str)]) {
    let found = found(word, sight);
    let seen: Vec<(&str, &str)> = found.iter().map(|one| (one.name.as_str(), one.url.as_str())).collect();
    assert_eq!(seen, expected, "{sight:?}");
}

#[test]
fn postgresql_is_found_by_sockets_ports_and_programs_each_server_once() {
    let socket = "/run/postgresql/.s.PGSQL.5432";
    let mixed = sight(vec![], &[22, 5432, 5434, 6379], &[socket, "/run/docker.sock", "/tmp/.s.PGSQL.5499"]);
    let expected = [
        ("postgresql-5432", "postgres://%2Frun%2Fpostgresql:5432/postgres"),
        ("postgresql-5434", "postgres://localhost:5434/postgres"),
        ("postgresql-5499", "postgres://%2Ftmp:5499/postgres"),
    ];
    check("postgresql", &mixed, &expected);
    let logins: Vec<String> = found("postgresql", &mixed).into_iter().map(|one| one.login_url).collect();
    assert_eq!(
        logins,
        [
            "postgres://watchward@localhost:5432/postgres",
            "postgres://watchward@localhost:5434/postgres",
            "postgres://watchward@%2Ftmp:5499/postgres",
        ],
        "by the port, since packages let nobody in by password on the socket"
    );
    let command = "/usr/lib/postgresql/15/bin/postgres -D /srv/pg";
    let elsewhere = sight(vec![program("pg", command, &[7777])], &[7777], &[]);
    check("postgresql", &elsewhere, &[("postgresql-7777", "postgres://localhost:7777/postgres")]);
    let one = found("postgresql", &elsewhere).remove(0);
    assert_eq!((one.version.as_str(), one.owner.as_str()), ("15", "pg"));
}

#[test]
fn of_several_postgresqls_each_has_its_own_version_and_user() {
    let mut old = program("postgres", "/usr/lib/postgresql/13/bin/postgres -D /a", &[]);
    old.sockets = ["/run/postgresql/.s.PGSQL.5433".to_string()].into();
    let new = program("other", "/usr/pgsql-16/bin/postmaster -D /b", &[5432]);
    let child = program("other", "postgres: checkpointer", &[]);
    let both = sight(vec![old, new, child], &[5432, 5433], &["/run/postgresql/.s.PGSQL.5433"]);
    let seen: Vec<(String, String, String)> =
        found("postgresql", &both).into_iter().map(|one| (one.name, one.version, one.owner)).collect();
    let expected = [("postgresql-5432", "16", "other"), ("postgresql-5433", "13", "postgres")];
    assert_eq!(seen, expected.map(|(name, version, user)| (name.to_string(), version.to_string(), user.to_string())));
}

#[test]
fn redis_is_found_by_what_its_program_shows_its_ports_and_else_by_sockets() {
    let socket = "/run/redis/redis-server.sock";
    check("redis", &sight(vec![], &[22, 6379], &[socket]), &[("redis-6379", "redis://localhost:6379")]);
    check("redis", &sight(vec![], &[26379], &[]), &[("redis-26379", "redis://localhost:26379")]);
    let expected = [("redis-server", "redis://%2Frun%2Fredis%2Fredis-server.sock")];
    check("redis", &sight(vec![], &[22], &[socket, "/run/docker.sock"]), &expected);
    check("redis", &sight(vec![], &[5432], &[]), &[]);
    // Another user's: its files are not ours to look at, but its title is everybody's. 17000 is its cluster's bus.
    let title =
        Program { command: vec!["/usr/bin/redis-server 127.0.0.1:7000 [cluster]".to_string()], ..Program::default() };
    let sentinel = program("redis", "redis-server *:7001 [sentinel]", &[7001]);
    let gone = program("redis", "redis-server *:7002", &[]);
    let named = sight(vec![title, sentinel, gone], &[7000, 7001, 17000], &[]);
    let expected = [("redis-7000", "redis://localhost:7000"), ("redis-7001", "redis://localhost:7001")];
    check("redis", &named, &expected);
    assert_eq!(found("redis", &named)[1].kind, "sentinel");
}

#[test]
fn a_redis_without_a_port_is_found_by_its_socket_beside_others_that_have_one() {
    let with_socket = |command: &str, socket: &str, ports: &[u16]| {
        let sockets = [socket.to_string()].into();
        Program { sockets, ..program("redis", command, ports) }
    };
    let (both, sentinel) = ("/run/redis/redis-server.sock", "/srv/a/redis.sock");
    let (other, of_another_user) = ("/srv/b/redis.sock", "/srv/c c.sock");
    let programs = vec![
        with_socket("/usr/bin/redis-server 127.0.0.1:6379", both, &[6379]),
        with_socket("redis-server unixsocket:/srv/a/redis.sock [sentinel]", sentinel, &[]),
        with_socket("redis-server /etc/redis.conf", other, &[]),
        program("app", "redis-server unixsocket:/srv/c", &[]),
    ];
    let seen = sight(programs, &[6379], &[both, sentinel, other, of_another_user, "/run/valkey.sock", "/srv/c"]);
    let expected = [
        ("redis-6379", "redis://localhost:6379"),
        ("redis", "redis://%2Fsrv%2Fa%2Fredis.sock"),
        ("redis-srv-b-redis", "redis://%2Fsrv%2Fb%2Fredis.sock"),
        ("redis-c", "redis://%2Fsrv%2Fc"),
    ];
    check("redis", &seen, &expected);
    let all = found("redis", &seen);
    assert_eq!((all[1].kind, all[2].kind, all[3].owner.as_str()), ("sentinel", "", "app"));
    assert_eq!(all[2].login_url, "redis://watchward@%2Fsrv%2Fb%2Fredis.sock");
}

#[test]
fn programs_on_other_ports_are_found_by_what_they_listen_on() {
    let java = |main: &str| format!("/usr/lib/jvm/bin/java -Xms1g -cp /usr/share/x/* {main}");
    let new = java("-m org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch");
    let cases = [
        ("mongodb", "/opt/mongod-6.0.5 --port 4000 --dbpath /x".to_string(), &[4000][..], 4000, "mongodb"),
        ("mongodb", "mongos --port=4001".to_string(), &[][..], 4001, "mongodb"),
        ("clickhouse", "/usr/bin/clickhouse server --config-file=/x".to_string(), &[9000, 9009, 8123], 8123, "http"),
        ("clickhouse", "clickhouse-server --config-file=/x".to_string(), &[18123, 19000], 18123, "http"),
        ("elasticsearch", java("org.opensearch.bootstrap.OpenSearch"), &[19201, 19301], 19201, "http"),
        ("elasticsearch", new, &[9400, 9500], 9400, "http"),
    ];
    for (word, command, ports, port, scheme) in cases {
        let mut all = ports.to_vec();
        all.push(port);
        let sight = sight(vec![program("u", &command, ports)], &all, &[]);
        let (name, url) = (format!("{word}-{port}"), format!("{scheme}://127.0.0.1:{port}"));
        check(word, &sight, &[(name.as_str(), url.as_str())]);
        let is_fork = command.ends_with("OpenSearch");
        assert_eq!(found(word, &sight)[0].kind, if is_fork { "opensearch" } else { "" }, "{command}");
        let login = &found(word, &sight)[0].login_url;
        assert_eq!(*login, format!("{scheme}://watchward@127.0.0.1:{port}"));
    }
}

#[test]
fn a_program_is_no_server_because_its_arguments_name_one() {
    for command in
        ["vim /etc/redis-server", "postgres: walwriter", "java -jar mongod.jar", "clickhouse client", "sh -c postgres"]
    {
        let program = program("u", command, &[1]);
        let claimed: Vec<&str> =
            ALL.iter().filter(|engine| engine.runs_as(&program)).map(|engine| engine.word()).collect();
        assert!(claimed.is_empty(), "{command}: {claimed:?}");
    }
}
