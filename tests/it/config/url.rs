//! URLs: each form with its parts, each fault with its words, and for any text no panic.

use proptest::prelude::*;
use watchward::config::url::{Wrong, parse, write, write_shown};

/// `scheme user host port path {parameters}`, with `-` for what is empty, and the password behind.
fn parts(text: &str) -> String {
    let parsed = match parse(text) {
        Ok(parsed) => parsed,
        Err(wrong) => return format!("{wrong:?}"),
    };
    let or_dash = |text: &str| if text.is_empty() { "-".to_string() } else { text.to_string() };
    let url = &parsed.url;
    let parameters: Vec<String> = url.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let password =
        parsed.password.as_ref().map_or(String::new(), |password| format!(" password {}", password.expose()));
    let words = [&url.scheme, &url.user, &url.host].map(|one| or_dash(one)).join(" ");
    format!("{words} {} {} {{{}}}{password}", url.port, or_dash(&url.path), parameters.join(","))
}

#[test]
fn each_form_has_its_parts() {
    let cases = [
        (
            "postgres://watchward@db1:5432/postgres?sslmode=verify-full",
            "postgres watchward db1 5432 postgres {sslmode=verify-full}",
        ),
        ("POSTGRES://db1", "postgres - db1 0 - {}"),
        ("redis://:s3cret@10.0.0.1:6379/0", "redis - 10.0.0.1 6379 0 {} password s3cret"),
        ("redis://u:p%40s%2Fs@h", "redis u h 0 - {} password p@s/s"),
        ("http://u:p@ss@h:9200/", "http u h 9200 - {} password p@ss"),
        ("http://[::1]:9200/a%20b", "http - ::1 9200 a b {}"),
        ("http://[fe80::1%25eth0]", "http - fe80::1%eth0 0 - {}"),
        ("postgres:///db?host=/run/postgresql", "postgres - /run/postgresql 0 db {}"),
        ("postgres:///db?host=/run/postgresql&port=5433", "postgres - /run/postgresql 5433 db {}"),
        ("postgres://%2Frun%2Fpostgresql/db", "postgres - /run/postgresql 0 db {}"),
        ("redis+unix:///run/redis.sock?db=1", "redis - /run/redis.sock 0 - {db=1}"),
        ("unix:///run/redis.sock", "unix - /run/redis.sock 0 - {}"),
        ("mongodb://u@%2Ftmp%2Fmongodb-27017.sock/admin", "mongodb u /tmp/mongodb-27017.sock 0 admin {}"),
        ("mongodb+srv://cluster0.example.org/?tls=true", "mongodb+srv - cluster0.example.org 0 - {tls=true}"),
        ("postgres://h/db?password=s3cret", "postgres - h 0 db {} password s3cret"),
        ("postgres://h/db?a=1&b&c=%20", "postgres - h 0 db {a=1,b=,c= }"),
    ];
    for (text, expected) in cases {
        assert_eq!(parts(text), expected, "of {text}");
    }
}

#[test]
fn each_fault_has_its_name() {
    let cases = [
        ("", Wrong::NoScheme),
        ("db1:5432", Wrong::NoScheme),
        ("://x", Wrong::NoScheme),
        ("1a://x", Wrong::NoScheme),
        ("redis://a b", Wrong::Space),
        ("redis://a\n", Wrong::Space),
        ("redis://u:%zz@h", Wrong::Percent),
        ("redis://u:%4@h", Wrong::Percent),
        ("redis://u:%ff@h", Wrong::Percent),
        ("redis://u%00@h", Wrong::Percent),
        ("mongodb://a:1,b:2/db", Wrong::SeveralHosts),
        ("postgres:///db?host=a,b", Wrong::SeveralHosts),
        ("redis://", Wrong::NoHost),
        ("redis://:6379", Wrong::NoHost),
        ("postgres:///db", Wrong::NoHost),
        ("redis://h$st", Wrong::Host),
        ("redis://ünïcode", Wrong::Host),
        ("redis://[::1", Wrong::Ipv6),
        ("redis://[1.2.3.4]", Wrong::Ipv6),
        ("redis://[::1]6379", Wrong::Ipv6),
        ("redis://::1", Wrong::Port),
        ("redis://h:0", Wrong::Port),
        ("redis://h:65536", Wrong::Port),
        ("redis://h:+1", Wrong::Port),
        ("redis://h:", Wrong::Port),
        ("redis://u:12/3@h", Wrong::StrayAt),
        ("redis://u:pa?ss@h", Wrong::StrayAt),
        ("redis://u:pa#ss@h", Wrong::Fragment),
        ("redis://h/?a=1&a=2", Wrong::Twice),
        ("postgres://h/?sslpassword=x", Wrong::SecretParameter),
        ("postgres://u:p@h/?password=x", Wrong::TwoPasswords),
        ("postgres://h/db?host=/run", Wrong::HostAndSocket),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).expect_err(text), expected, "of {text}");
    }
    assert_eq!(parse(&format!("redis://{}", "a".repeat(5000))), Err(Wrong::TooLong));
}

#[test]
fn each_fault_has_its_words_and_what_to_do() {
    let special = "If a password stands in it, write '@', ':', '/', '?' and '#' there as %40, %3A, %2F, %3F and %23. \
                   Better, name a password_file.";
    let form = "Write it like scheme://user@host:port/path.";
    for (wrong, words, hint) in [
        (Wrong::NoScheme, "it does not begin with a scheme and '://'", form),
        (Wrong::TooLong, "it is longer than 4096 bytes", form),
        (
            Wrong::Space,
            "it holds a space or a control character",
            "Write a space as %20; a password belongs in a file anyway.",
        ),
        (
            Wrong::Percent,
            "a '%' is not followed by two hexadecimal digits, or what it encodes is not text",
            "Write a '%' itself as %25.",
        ),
        (Wrong::SeveralHosts, "it names several hosts", "Watch each server as a target of its own."),
        (Wrong::NoHost, "it names no host", "Name the host after '://', or the folder of its socket as ?host=/run/…."),
        (Wrong::Host, "its host name holds a character that host names do not have", special),
        (Wrong::Ipv6, "its IPv6 address is not one", "Write an IPv6 address in brackets: [::1]."),
        (Wrong::Port, "its port is not a number from 1 to 65535", special),
        (Wrong::StrayAt, "an '@' stands after the host", special),
        (Wrong::Fragment, "it holds a '#'", special),
        (Wrong::Twice, "a parameter is given twice", "Keep one of them."),
        (
            Wrong::SecretParameter,
            "a parameter other than 'password' holds a secret",
            "Name a password_file in place of it.",
        ),
        (Wrong::TwoPasswords, "it gives two passwords", "Name a password_file in place of it."),
        (Wrong::HostAndSocket, "it names a host and a socket", "Keep one of them."),
    ] {
        assert_eq!((wrong.to_string().as_str(), wrong.hint()), (words, hint));
    }
}

#[test]
fn a_url_is_shown_without_its_password_and_a_hook_without_its_path() {
    let shown = |text: &str| write_shown(&parse(text).expect(text));
    assert_eq!(shown("postgres://u:p@h:1/db?sslmode=require"), "postgres://u:***@h:1/db?sslmode=require");
    assert_eq!(shown("redis://:p@h"), "redis://:***@h");
    assert_eq!(shown("https://hooks.example.org/T0/B0/s3cret?x=1"), "https://hooks.example.org/***");
    assert_eq!(shown("https://u:p@hooks.example.org/?token=s3cret"), "https://u:***@hooks.example.org/***");
    assert_eq!(shown("https://k3y@hooks.example.org/x"), "https://***@hooks.example.org/***");
    assert_eq!(shown("https://elastic@es:9200"), "https://elastic@es:9200");
    assert_eq!(shown("http://es:9200"), "http://es:9200");
}

proptest! {
    /// Whatever the text, there is an answer, and no fault repeats a part of the text.
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,60}") {
        let _ = parse(&text);
    }

    /// Texts that are nearly URLs reach every branch.
    #[test]
    fn any_near_url_is_read_without_a_panic(text in "[a-z]{0,5}(\\+unix)?:?/{0,3}[a-z0-9:@%/?#&=,.\\[\\]-]{0,40}") {
        let _ = parse(&text);
    }

    /// What is written is read back the same.
    #[test]
    fn what_was_read_and_written_is_read_again(
        user in "[a-zé@:/ %]{0,8}", host in "[a-z][a-z0-9.-]{0,10}", port in 0_u16.., path in "[a-zA-Z0-9 ?#%é/]{0,10}",
        name in "[a-z]{1,4}x", value in "[ -~]{0,10}",
    ) {
        let mut url = watchward::model::target::Url { scheme: "redis".into(), user, host, port, ..Default::default() };
        url.path = path.trim_start_matches('/').to_string();
        url.parameters.insert(name, value);
        let again = parse(&write(&url)).expect("a URL");
        prop_assert_eq!(again.url, url);
        prop_assert_eq!(again.password, None);
    }
}
