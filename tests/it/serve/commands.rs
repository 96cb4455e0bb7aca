//! Commands: a full queue, an agent that does not answer, one that has ended.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use watchward::model::caller::{Caller, Role};
use watchward::model::command::Command;
use watchward::model::fault::Fault;
use watchward::model::scope::Scope;
use watchward::serve::commands::{Asked, WAITING_MAX, ask};

async fn asked(commands: &mpsc::Sender<Asked>) -> Result<Value, Fault> {
    let caller = Caller { scope: Scope::of_socket_peer(), role: Role::Admin, name: "socket:uid 0".to_string() };
    ask(commands, caller, Command::EffectiveConfiguration, Duration::from_millis(20)).await
}

#[tokio::test]
async fn an_agent_that_is_busy_late_or_gone_is_told_apart() {
    let (commands, mut waiting) = mpsc::channel(WAITING_MAX);
    for _ in 0..WAITING_MAX {
        let late = asked(&commands).await.unwrap_err().to_string();
        assert_eq!(
            late,
            "the agent gave no answer within 0.02 s [serve-15]\ndetail: The command may still be carried out.\n\
             hint: Look at what happened before you try again."
        );
    }
    let busy = asked(&commands).await.unwrap_err().to_string();
    assert_eq!(
        busy,
        "the agent is busy: 32 commands wait already, or it stops [serve-14]\n\
         hint: Nothing was done. Try again in a moment."
    );
    while waiting.try_recv().is_ok() {}
    let (gone, ()) = tokio::join!(asked(&commands), async { drop(waiting.recv().await) });
    assert_eq!(gone.unwrap_err().to_string(), "the agent stops [serve-14]\nhint: Ask again when it runs.");
}
