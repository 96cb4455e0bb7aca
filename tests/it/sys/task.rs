//! Tasks: they end with their handle, and their panics come back as words.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use watchward::sys::task;

struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_task_ends_with_its_handle_unless_it_is_let_go() {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Flag(ended.clone());
    let handle = task::spawn("waits", async move {
        let _flag = flag;
        std::future::pending::<()>().await;
    });
    tokio::task::yield_now().await;
    assert!(!handle.is_finished());
    drop(handle);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(ended.load(Ordering::Relaxed));

    let (done, waits) = tokio::sync::oneshot::channel();
    task::spawn("goes on", async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let _ = done.send(());
    })
    .detach();
    waits.await.unwrap();
}

#[tokio::test]
async fn a_panic_comes_back_as_words() {
    let handle = task::spawn("reading", async { panic!("index {} out of bounds", 7) });
    assert_eq!(handle.await.unwrap_err(), "the task 'reading' panicked: index 7 out of bounds");
    let blocked = task::blocking("rules", || -> u8 { panic!("static words") }).await;
    assert_eq!(blocked.unwrap_err(), "the task 'rules' panicked: static words");
    assert_eq!(task::blocking("sum", || 1 + 1).await, Ok(2));
}

#[tokio::test]
async fn a_worker_does_one_piece_after_the_other_and_outlives_a_panic() {
    let worker = task::Worker::start("computing").unwrap();
    let name = worker.run(|| std::thread::current().name().map(str::to_string)).await.unwrap();
    assert_eq!(name.as_deref(), Some("computing"));
    assert_eq!(worker.run(|| -> u8 { panic!("in the middle") }).await, Err("in the middle".to_string()));
    let (first, second) = tokio::join!(worker.run(|| 1), worker.run(|| 2));
    assert_eq!((first, second), (Ok(1), Ok(2)));
}
