//! Resources by the semantic conventions.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use watchward::export::resource::{Agent, Subject};

use crate::export::{agent, subject};

fn shown(resource: &Resource) -> String {
    let value = |one: &Option<opentelemetry_proto::tonic::common::v1::AnyValue>| match one
        .as_ref()
        .and_then(|value| value.value.clone())
    {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(whole)) => whole.to_string(),
        other => format!("{other:?}"),
    };
    let all = resource.attributes.iter().filter(|one| !one.key.starts_with("service."));
    all.map(|one| format!("{}={}", one.key, value(&one.value))).collect::<Vec<_>>().join(" ")
}

fn check(change: impl Fn(&mut Agent, &mut Subject), expected: &str) {
    let (mut agent, mut subject) = (agent(), subject());
    change(&mut agent, &mut subject);
    assert_eq!(shown(&agent.resource_of(&subject)), expected);
}

#[test]
fn a_server_has_its_address_and_a_local_one_its_host() {
    let begin = "tenant=acme target=cache db.system.name=sixth server.address=";
    check(|_, _| {}, &format!("{begin}db1 server.port=6379 region=eu-1"));
    check(|_, one| one.is_local = true, &format!("{begin}db1 server.port=6379 host.name=host-1 region=eu-1"));
    let socket = |_: &mut Agent, one: &mut Subject| (one.address, one.port) = ("/run/x.sock".to_string(), 0);
    check(socket, &format!("{begin}/run/x.sock region=eu-1"));
}

#[test]
fn the_host_is_no_database() {
    let host = |_: &mut Agent, one: &mut Subject| (one.system, one.is_local) = (String::new(), true);
    check(host, "tenant=acme target=cache host.name=host-1 region=eu-1");
}

#[test]
fn of_a_name_given_twice_the_nearest_stands() {
    let twice = |agent: &mut Agent, subject: &mut Subject| {
        agent.attributes =
            [("region".to_string(), "of the agent".to_string()), ("zone".to_string(), "1".to_string())].into();
        subject.labels.insert("target".to_string(), "another".to_string());
    };
    check(
        twice,
        "tenant=acme target=cache db.system.name=sixth server.address=db1 server.port=6379 region=eu-1 zone=1",
    );
}
