//! Stories of one policy: it acts, is held back, takes back, and leaves alone what somebody else changed.

use std::time::Duration;

use watchward::model::policy::{Mode, Undo};
use watchward::model::transition::Phase;

use crate::act::{Fake, Mood, Stage, policy};
use crate::state::{Folder, open};

async fn stage(mode: Mode, undo: Undo) -> (Folder, Stage) {
    let folder = Folder::new();
    let stage = Stage::on(open(&folder).await, &Fake::new(), vec![policy(mode, undo)]);
    (folder, stage)
}

#[tokio::test]
async fn an_alert_sets_and_its_end_takes_back() {
    let (_folder, stage) = stage(Mode::Auto, Undo::OnResolve).await;
    stage.arm().await;
    stage.alert("CacheFull", 0, Phase::Firing).await;
    assert_eq!(stage.sweep().await, ["done"]);
    assert_eq!(stage.value(), "2gb");
    assert_eq!(stage.sweep().await, [""; 0], "one firing acts once");
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, ["undone"]);
    assert_eq!(
        stage.world.server(|server| (server.held("maxmemory").written, server.puts.clone())),
        (None, vec!["2gb".into(), "RESET".into()])
    );
    assert_eq!(
        stage.world.told(),
        [
            "policy 'more memory' is armed, by socket:uid 0",
            "policy 'more memory' has set maxmemory of cache to '2gb', was '1gb' (not written) (entry 1)",
            "maxmemory of cache is '1gb' (not written) again (entry 1 of policy 'more memory')",
        ]
    );
}
