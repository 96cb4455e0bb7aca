//! Secrets stand in the configuration's files and in what the receiver gets; nowhere else.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use watchward::model::scope::Scope;
use watchward::model::target::SecretSource;

use crate::alert::sink::{Answer, Sink};
use crate::alert::{Stage, config, receiver};
use crate::state::{Folder, moment, open};

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Logs(pub(crate) Arc<Mutex<String>>);

impl Subscriber for Logs {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Words(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Words<'a>(&'a mut String);

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = writeln!(self.0, "{}={value:?}", field.name());
    }
}

const PLANTED: &str = "hunter2-planted";
/// Base64 of `root:hunter2-planted`.
const CREDENTIALS: &str = "cm9vdDpodW50ZXIyLXBsYW50ZWQ=";

fn is_clean(text: &str) -> bool {
    !text.contains(PLANTED) && !text.contains(CREDENTIALS)
}

/// The receiver echoes every secret it was given, as careless ones do; then it is not there at all.
#[tokio::test]
async fn no_secret_reaches_the_state_its_readers_or_the_logs() {
    let logs = Logs::default();
    let _collecting = tracing::subscriber::set_default(logs.clone());
    let folder = Folder::new();
    let sink = Sink::start().await;
    let secret = folder.path().join("hook");
    std::fs::write(&secret, PLANTED).unwrap();
    let echo = |status| {
        let body = format!("bad key {PLANTED} at /services/{PLANTED}, {CREDENTIALS}");
        Answer::Full(status, String::new(), body)
    };
    sink.answer([echo(500), echo(400), Answer::Close, Answer::Hang]);
    let url = sink.url().replace("http://", &format!("http://root:{PLANTED}@"));
    let mut config = config(vec![receiver("dba", &url.replace("hook", &format!("services/{PLANTED}")))]);
    config.receivers[0].webhook.secret = SecretSource::File(secret);
    let state = open(&folder).await;
    let mut stage = Stage::new(config, state.clone());
    let mut said = String::new();
    for word in ["+A", "~A", "+B", "~B", "~C"] {
        stage.take(word).await;
        stage.tell("dba").await;
        said.push_str(&format!("{:?}", stage.alerting.findings(moment(stage.second + 100))));
        stage.second += 10;
    }
    assert!(sink.seen().len() >= 4, "the story did not play");
    let log = state.deliveries(&Scope::of_tenant("acme"), 9).await.unwrap();
    let refused = log.iter().find(|one| one.status == Some(400)).unwrap();
    assert_eq!(refused.answer, "bad key *** at /***, ***");

    let logged = logs.0.lock().unwrap().clone();
    assert!(logged.contains("trying again") && logged.contains("refused a message"), "{logged}");
    assert!(is_clean(&logged), "{logged}");
    assert!(said.contains("bad key ***") && is_clean(&said), "{said}");
    let image = folder.image();
    for name in ["state.db", "state.db-wal"] {
        let bytes = std::fs::read(image.state().join(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(is_clean(&text), "in {name}");
        assert!(name != "state.db-wal" || text.contains("bad key"), "the log itself was not looked at");
    }
}
