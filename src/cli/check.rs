//! `watchward check-config`: everything that is wrong, else everything in force with where it comes from.

use serde_json::{Value, json};

use crate::cli::{REFUSED, WELL, refused};
use crate::config::problem::Problem;
use crate::config::render;
use crate::config::{self, Loaded, Source, Surroundings};

/// Prints it, and says with which code to exit.
pub fn print(source: &Source, json: bool) -> u8 {
    let loaded = config::load(source, &Surroundings::of_this_process());
    let code = if loaded.is_ok() { WELL } else { REFUSED };
    match loaded {
        _ if json => println!("{}", answer(&loaded)),
        Err(problems) => return refused(&problems),
        Ok(loaded) => {
            print!("{}", render::render(&loaded));
            for warning in &loaded.warnings {
                eprintln!("warning: {warning}");
            }
        }
    }
    code
}

/// For machines: what is in force, or the problems; `sound` says which.
pub fn answer(loaded: &Result<Loaded, Vec<Problem>>) -> Value {
    match loaded {
        Ok(loaded) => json!({ "sound": true, "problems": [], "effective": render::json(loaded) }),
        Err(problems) => json!({ "sound": false, "problems": render::problems_json(problems) }),
    }
}
