//! `top`: the live table. On a terminal it is drawn anew every two seconds until `q`; elsewhere it is printed.

use std::pin::pin;
use std::time::Duration;

use clap::Args;
use tokio::time::sleep;

use crate::cli::ask::{Agent, Asker, Refused};
use crate::cli::glance::{self, Glance};
use crate::cli::output;
use crate::cli::seen::Wanted;
use crate::cli::table::cut;
use crate::cli::{UNKNOWN, WELL};
use crate::config::Source;
use crate::model::duration;
use crate::model::fault::Fault;
use crate::sys::clock;
use crate::sys::terminal::{self, Terminal, Wake};

/// The shortest time between two looks.
const EVERY_MIN: Duration = Duration::from_millis(500);

/// What is shown, and how often.
#[derive(Args, Clone, Debug)]
pub struct Table {
    #[command(flatten)]
    pub wanted: Wanted,
    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = every)]
    pub every: Duration,
    /// Look so many times and print each, without drawing [default: 1 where output is no terminal]
    #[arg(long, short = 'n', value_name = "NUMBER")]
    pub count: Option<u64>,
    /// Machine-readable: one object for each look
    #[arg(long)]
    pub json: bool,
}

fn every(text: &str) -> Result<Duration, String> {
    let every = duration::parse(text)?;
    if every < EVERY_MIN { Err(format!("the shortest is {}", duration::format(EVERY_MIN))) } else { Ok(every) }
}

/// Draws or prints.
pub fn run(source: &Source, table: &Table) -> u8 {
    let (runtime, mut asker) = match Agent::of(source) {
        Ok(agent) => agent.into_parts(),
        Err(refused) => return refused.say(),
    };
    if table.count.is_some() || table.json || !terminal::can_draw() {
        return runtime.block_on(print(&mut asker, table));
    }
    match runtime.block_on(draw(&mut asker, table)) {
        Ok(()) => WELL,
        Err(error) => {
            Refused { words: Fault::new("cli-08", format!("the terminal: {error}")).to_string(), code: UNKNOWN }.say()
        }
    }
}

/// Prints so many looks.
async fn print(asker: &mut Asker, table: &Table) -> u8 {
    let mut left = table.count.unwrap_or(1);
    while left > 0 {
        let text = match glance::look(asker, &table.wanted, clock::system_ms()).await {
            Ok(glance) if table.json => format!("{}\n", glance.document()),
            Ok(glance) => format!("{}\n\n", glance.lines(usize::MAX, usize::MAX, false).join("\n")),
            Err(refused) => return refused.say(),
        };
        if output::write(&text).is_err() {
            return output::answer(&text, WELL); // nobody waits for the next one
        }
        left -= 1;
        if left > 0 {
            sleep(table.every).await;
        }
    }
    WELL
}

/// What is on the screen.
#[derive(Default)]
struct Screen {
    glance: Option<Glance>,
    /// Why there is nothing newer.
    refused: Option<String>,
}

impl Screen {
    fn take(&mut self, looked: Result<Glance, Refused>) {
        match looked {
            Ok(glance) => (self.glance, self.refused) = (Some(glance), None),
            Err(refused) => self.refused = Some(refused.words),
        }
    }

    /// Never more lines than there is room: the last is for the keys.
    fn lines(&self, width: usize, height: usize, has_colours: bool) -> Vec<String> {
        let refused = self.refused.iter().flat_map(|words| words.lines()).map(|line| cut(line, width));
        let mut out: Vec<String> = refused.take(height.saturating_sub(1)).collect();
        let room = height.saturating_sub(out.len() + 1);
        if let Some(glance) = self.glance.as_ref().filter(|_| room > 0) {
            out.extend(glance.lines(width, room, has_colours));
        }
        out.resize(height.saturating_sub(1), String::new());
        out.push(cut("q quit, space look now", width));
        out
    }

    fn draw(&self, terminal: &Terminal) -> std::io::Result<()> {
        let (width, height) = terminal.size();
        terminal.draw(&self.lines(width, height, terminal::has_colours()))
    }
}

/// Draws until told to stop. A key is heard while an answer is awaited, too.
async fn draw(asker: &mut Asker, table: &Table) -> std::io::Result<()> {
    let mut terminal = Terminal::open()?;
    let mut screen = Screen::default();
    loop {
        {
            let mut looking = pin!(glance::look(asker, &table.wanted, clock::system_ms()));
            loop {
                tokio::select! {
                    looked = &mut looking => break screen.take(looked),
                    wake = terminal.wake() => if is_end(wake) {
                        return Ok(());
                    },
                }
                screen.draw(&terminal)?;
            }
        }
        screen.draw(&terminal)?;
        let mut pause = pin!(sleep(table.every));
        loop {
            tokio::select! {
                () = &mut pause => break,
                wake = terminal.wake() => match wake {
                    Wake::Key(b' ') => break,
                    wake if is_end(wake) => return Ok(()),
                    _ => screen.draw(&terminal)?,
                },
            }
        }
    }
}

fn is_end(wake: Wake) -> bool {
    matches!(wake, Wake::Stop | Wake::Key(b'q' | b'Q'))
}
