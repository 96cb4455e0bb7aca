//! Kill -9 at any point: no change without its undo on record, no undo without its record, one action for one firing.

use watchward::model::policy::{Mode, Undo};
use watchward::model::transition::Phase;
use watchward::state::State;
use watchward::state::journal::Phase as Change;

use crate::act::{DEFAULT, Fake, Mood, Stage, policy};
use crate::state::{Folder, cut, open};

/// A folder whose policy is armed: what every life begins with.
async fn armed() -> Folder {
    let folder = Folder::new();
    let stage = Stage::on(open(&folder).await, &Fake::new(), vec![policy(Mode::Auto, Undo::OnResolve)]);
    stage.arm().await;
    folder.image()
}

fn stage(state: State, world: &Fake) -> Stage {
    Stage::on(state, world, vec![policy(Mode::Auto, Undo::OnResolve)])
}

/// The alert fires and ends, in a life that is cut after so many polls. Leaves what stood on disk then (while the life
/// still has its files open: nothing is tidied up by a kill), and whether it came to its end.
async fn live(folder: &Folder, world: &Fake, polls: usize) -> (Folder, bool) {
    let stage = stage(open(folder).await, world);
    let life = async {
        stage.alert("CacheFull", 0, Phase::Firing).await;
        stage.sweep().await;
        stage.alert("CacheFull", 0, Phase::Resolved).await;
        stage.sweep().await;
    };
    let is_whole = cut(life, polls).await.is_some();
    (folder.image(), is_whole)
}

/// What must be true at every moment, of what stands on disk and at the server.
async fn check_moment(stage: &Stage, at: &str) {
    let held = stage.world.server(|server| server.held("maxmemory"));
    let journal = stage.journal().await;
    if held.written.is_some() || held.effective != DEFAULT {
        let on_record = |phase| matches!(phase, Change::Begun | Change::Done | Change::Undoing);
        let entry = journal.iter().find(|entry| on_record(entry.phase));
        let entry = entry.unwrap_or_else(|| panic!("{at}: {held:?} stands without an undo on record: {journal:?}"));
        assert_eq!(
            (entry.step.before.written.as_deref(), entry.step.before.effective.as_str()),
            (None, DEFAULT),
            "{at}"
        );
    }
    if stage.world.server(|server| server.puts.iter().any(|put| put == "RESET")) {
        let on_record = |phase| matches!(phase, Change::Undoing | Change::Undone | Change::Failed);
        assert!(journal.iter().any(|entry| on_record(entry.phase)), "{at}: an undo without its record: {journal:?}");
    }
}

/// The next life: everything comes to its end, once.
async fn check_end(stage: &Stage, at: &str) {
    stage.sweep().await;
    let fires = !stage.state.active_instances().await.unwrap().is_empty();
    let journal = stage.journal().await;
    let acted = journal.iter().filter(|entry| entry.phase != Change::Void).count();
    assert!(acted <= 1, "{at}: one firing acted {acted} times: {journal:?}");
    assert!(journal.iter().all(|entry| !entry.phase.is_under_way()), "{at}: {journal:?}");
    match journal.iter().any(|entry| entry.phase == Change::Failed) {
        true => assert_eq!(stage.value(), DEFAULT, "{at}"),
        false => assert_eq!(stage.value(), if fires { "2gb" } else { DEFAULT }, "{at}: {journal:?}"),
    }
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    stage.sweep().await;
    assert_eq!(stage.world.server(|server| server.held("maxmemory").written), None, "{at}");
    assert_eq!(stage.value(), DEFAULT, "{at}");
    let steps = stage.world.server(|server| server.steps.clone());
    assert!(steps.len() <= 2, "{at}: set, and set back, and nothing else: {steps:?}");
    for entry in stage.journal().await {
        let story = stage.state.story(&entry).await.unwrap();
        assert_eq!(story[0].phase, "begun", "{at}");
        assert_eq!(story.last().unwrap().phase, entry.phase.word(), "{at}");
        assert!(matches!(entry.phase, Change::Void | Change::Undone | Change::Failed), "{at}: {entry:?}");
    }
}

/// Cuts a life at every place where it waits for the disk or the server, one after the other; the next one goes on from
/// what stands on disk then, and is cut as well, a little later each time. The third is whole.
async fn cut_everywhere(mood: Mood, stride: usize, salt: usize) -> usize {
    let armed = armed().await;
    let (mut cuts, mut polls) = (0, 0);
    loop {
        let world = Fake::new();
        world.server(|server| server.mood = mood);
        let first = armed.image();
        let (image, is_whole) = live(&first, &world, polls).await;
        world.server(|server| server.mood = Mood::Well);
        let at = format!("{mood:?}, cut after {polls} polls");
        let second = stage(open(&image).await, &world);
        check_moment(&second, &at).await;
        let again = (polls * 7 + salt) % 61;
        cut(second.sweep(), again).await;
        let third = image.image();
        drop(second);
        let stage = stage(open(&third).await, &world);
        let at = format!("{at}, and again after {again}");
        check_moment(&stage, &at).await;
        check_end(&stage, &at).await;
        cuts += 2;
        if is_whole {
            return cuts;
        }
        polls += stride;
    }
}

#[tokio::test]
async fn cut_anywhere_a_change_is_finished_or_undone_and_made_once() {
    let cuts = cut_everywhere(Mood::Well, 1, 0).await + cut_everywhere(Mood::Well, 1, 31).await;
    println!("{cuts} cuts");
    assert!(cuts >= 200, "only {cuts} cuts");
}

#[tokio::test]
async fn cut_anywhere_while_the_server_loses_connections() {
    let cuts = cut_everywhere(Mood::LosesAnswers, 3, 0).await;
    println!("{cuts} cuts");
}

#[tokio::test]
async fn cut_anywhere_while_the_server_dies() {
    let cuts = cut_everywhere(Mood::DiesAfterWriting, 3, 0).await;
    println!("{cuts} cuts");
}

#[tokio::test]
async fn cut_anywhere_while_the_server_goes_by_something_else() {
    let cuts = cut_everywhere(Mood::Ignores, 3, 0).await;
    println!("{cuts} cuts");
}
