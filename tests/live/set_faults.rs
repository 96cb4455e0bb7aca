//! What goes wrong at PostgreSQL while a setting is changed, in its words, and how the setting stands then.

use std::os::unix::fs::PermissionsExt;

use watchward::model::plan::Held;

use crate::set::{look, reach, single, until};

#[tokio::test]
async fn a_server_that_cannot_write_its_file_is_told_in_its_words_and_stays_as_it_is() {
    let server = single(16, &[]);
    server.login(&["work_mem"]);
    let mut hand = reach(&server.target()).await;
    let step = hand.plan("work_mem", "8MB").await.expect("planned");
    let data = server.folder.join("data");
    let mode = |bits| std::fs::set_permissions(&data, std::fs::Permissions::from_mode(bits)).expect("its mode");
    mode(0o500);
    let fault = hand.put("work_mem", &step.after).await.expect_err("refused").to_string();
    mode(0o700);
    assert_eq!(
        fault.replace(&server.port.to_string(), "PORT"),
        "could not change 'work_mem' at 127.0.0.1:PORT as 'watchward_act': could not open file \
         \"postgresql.auto.conf.tmp\": Permission denied [postgresql-30]\ndetail: The server said 42501.\n\
         hint: May the login change it (GRANT ALTER SYSTEM ON PARAMETER work_mem TO watchward_act;), and can the server \
         write postgresql.auto.conf?"
    );
    assert_eq!(look(&mut *hand, "work_mem").await, step.before);
    hand.put("work_mem", &step.after).await.expect("put");
    until(&mut *hand, "work_mem", &step.after).await;
}

#[tokio::test]
async fn a_server_that_goes_away_or_does_not_reload_is_told() {
    let mut server = single(16, &[]);
    server.login(&["work_mem"]);
    let mut hand = reach(&server.target()).await;
    let step = hand.plan("work_mem", "8MB").await.expect("planned");
    // As where the server's main process cannot be told.
    server
        .psql("CREATE OR REPLACE FUNCTION pg_catalog.pg_reload_conf() RETURNS boolean LANGUAGE sql AS 'SELECT false'");
    let fault = hand.put("work_mem", &step.after).await.expect_err("not in force").to_string();
    assert_eq!(
        fault,
        "'work_mem' is written, and the server does not reload [postgresql-31]\n\
         hint: pg_reload_conf() returned false: the server's log says why."
    );
    let half = Held { written: step.after.written.clone(), effective: step.before.effective.clone() };
    assert_eq!(look(&mut *hand, "work_mem").await, half, "which shows when it is read");
    server.crash();
    assert_eq!(
        hand.look("work_mem").await.expect_err("gone").to_string(),
        format!(
            "could not look at 'work_mem' at 127.0.0.1:{}: connection closed [postgresql-33]\n\
             hint: Whether it happened shows when the setting is read again.",
            server.port
        )
    );
}
