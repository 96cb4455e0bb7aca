//! Those who come with wrong tokens: counted by address, forgotten after a while, bounded.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use watchward::serve::peers::{Peers, Verdict, WINDOW, WRONG_MAX, network};

fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
}

#[test]
fn an_address_is_told_to_wait_until_its_time_has_passed() {
    let peers = Peers::default();
    let at = |number: u64| Duration::from_millis(number);
    assert_eq!(peers.wrong(address(1), at(0)), Verdict::First);
    for number in 1..WRONG_MAX {
        assert_eq!(peers.wrong(address(1), at(number.into())), Verdict::Again);
    }
    assert_eq!(peers.wrong(address(1), at(20)), Verdict::JustTooMany);
    assert_eq!(peers.wrong(address(1), at(21)), Verdict::TooMany);
    assert_eq!(peers.wrong(address(2), at(22)), Verdict::First, "another address is another matter");
    assert_eq!(peers.wrong(address(1), WINDOW), Verdict::First);
}

#[test]
fn however_many_addresses_there_are_few_are_remembered() {
    let peers = Peers::default();
    for number in 0..5000 {
        peers.wrong(address(number), Duration::ZERO);
    }
    assert_eq!(peers.count(), 1025, "1024, and all others together");
    assert_eq!(peers.wrong(address(4999), Duration::ZERO), Verdict::TooMany, "which guess together as well");
    peers.wrong(address(9000), WINDOW);
    assert_eq!(peers.count(), 1, "what has passed makes room");
}

#[test]
fn whoever_has_a_network_of_addresses_is_one() {
    let network = |text: &str| network(text.parse().unwrap()).to_string();
    assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(network("10.1.2.3"), "10.1.2.3");
    assert_eq!(network("::ffff:10.1.2.3"), "10.1.2.3");
}
