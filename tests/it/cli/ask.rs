//! Asking the agent: what is said when the answer is none, is late, or is no answer of an agent.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::cli::{Ended, Folder, run};

/// What the verb says of an agent that gives everybody this answer; none at all where it is empty.
fn of(answer: &'static str) -> Ended {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.0.join("state/watchward.sock")).unwrap();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                if answer.is_empty() {
                    std::thread::sleep(Duration::from_secs(60));
                }
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    run(&folder, &["targets"])
}

fn check(answer: &'static str, words: &str) {
    assert_eq!(of(answer), Ended { code: 3, out: String::new(), err: format!("error: {words}\n") });
}

#[test]
fn an_answer_that_is_none_of_an_agents_is_told() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm>",
        "the agent's answer to /api/v1/targets is not JSON: expected value at line 1 column 1 [cli-04]",
    );
    check("HTTP/1.1 502 X\r\nContent-Length: 2\r\n\r\n{}", "the agent answered 502 to /api/v1/targets [cli-03]");
    check("HTTP/1.1 404 X\r\nContent-Length: 1\r\n\r\n<", "the agent answered 404 to /api/v1/targets [cli-03]");
}

#[test]
fn an_agent_that_hangs_is_not_waited_for() {
    check("", "the agent does not answer within 10 s [cli-02]");
}
