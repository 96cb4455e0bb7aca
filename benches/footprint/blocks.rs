//! Blocks of time: in each, what every process used, and what it holds at the end.

use std::time::{Duration, Instant};

use crate::common::Outcome;
use crate::common::processes::{Cost, Process};
use crate::options::Options;
use crate::say;

/// One process in one block.
#[derive(Clone, Debug)]
pub struct Share {
    pub name: String,
    /// Processor time of the block, as a part of one core.
    pub cores: f64,
    pub end: Cost,
}

/// One block: both sides ran all through it, so what else the machine did weighs on both alike.
#[derive(Clone, Debug)]
pub struct Block {
    pub ours: Share,
    pub theirs: Vec<Share>,
}

impl Block {
    pub fn their_cores(&self) -> f64 {
        self.theirs.iter().map(|share| share.cores).sum()
    }

    pub fn their_pss_kib(&self) -> f64 {
        self.theirs.iter().map(|share| kib(share.end.pss_kib)).sum()
    }
}

/// Kibibytes as a number to reckon with.
pub fn kib(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let kib = count as f64;
    kib
}

pub fn measure(options: &Options, ours: &Process, theirs: &[&Process], what: &str) -> Outcome<Vec<Block>> {
    let mut blocks = Vec::new();
    for number in 1..=options.blocks {
        say(&format!("{what}: block {number} of {}, {} s", options.blocks, options.block.as_secs()));
        let mut all = vec![ours];
        all.extend(theirs);
        let before = costs(&all)?;
        let began = Instant::now();
        std::thread::sleep(options.block);
        let after = costs(&all)?;
        let mut shares = shares(&all, &before, &after, began.elapsed()).into_iter();
        let ours = shares.next().ok_or("nothing was measured")?;
        blocks.push(Block { ours, theirs: shares.collect() });
    }
    Ok(blocks)
}

fn costs(all: &[&Process]) -> Outcome<Vec<Cost>> {
    all.iter().map(|process| process.cost()).collect()
}

fn shares(all: &[&Process], before: &[Cost], after: &[Cost], took: Duration) -> Vec<Share> {
    let share = |((process, before), after): ((&&Process, &Cost), &Cost)| {
        let cores = after.cpu.saturating_sub(before.cpu).as_secs_f64() / took.as_secs_f64();
        Share { name: process.name.clone(), cores, end: *after }
    };
    all.iter().zip(before).zip(after).map(share).collect()
}
