//! The queue: bounded in bytes, the oldest goes first, the one under way stays.

use watchward::export::endpoint::Signal;
use watchward::export::queue::{Level, Parcel, Queue};

fn parcel(bytes: usize, items: u64) -> Parcel {
    Parcel { signal: Signal::Metrics, body: vec![0; bytes].into(), items }
}

fn items(parcels: &[Parcel]) -> Vec<u64> {
    parcels.iter().map(|one| one.items).collect()
}

#[tokio::test]
async fn the_oldest_goes_when_there_is_no_room_but_not_the_one_under_way() {
    let queue = Queue::new(100);
    assert!(items(&queue.push(parcel(40, 1))).is_empty());
    assert!(items(&queue.push(parcel(40, 2))).is_empty());
    assert_eq!(items(&queue.push(parcel(40, 3))), [1]);
    assert_eq!(queue.first().await.map(|one| one.items), Some(2));
    assert_eq!(items(&queue.push(parcel(60, 4))), [3], "2 is under way");
    assert_eq!(items(&queue.push(parcel(61, 5))), [5], "it does not fit beside 2");
    assert_eq!(queue.level(), Level { parcels: 2, bytes: 100, items: 6 });
    queue.done();
    assert_eq!(queue.first().await.map(|one| one.items), Some(4));
    queue.done();
    assert_eq!(queue.level(), Level::default());
}

#[tokio::test]
async fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
    let queue = Queue::new(100);
    queue.push(parcel(10, 1));
    queue.close();
    assert_eq!(items(&queue.push(parcel(10, 2))), [2]);
    assert_eq!(queue.first().await.map(|one| one.items), Some(1));
    queue.done();
    assert_eq!(queue.first().await, None);
}

#[test]
fn what_never_fits_goes_itself() {
    let queue = Queue::new(100);
    queue.push(parcel(100, 1));
    assert_eq!(items(&queue.push(parcel(101, 2))), [2]);
    assert_eq!(queue.level().bytes, 100);
}
