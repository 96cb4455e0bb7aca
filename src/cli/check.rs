//! `watchward check-config`: everything that is wrong, else everything in force with where it comes from.

use serde_json::{Value, json};

use crate::cli::output::{self, tell};
use crate::cli::{REFUSED, WELL, refused};
use crate::config::problem::Problem;
use crate::config::render;
use crate::config::{self, Loaded, Source, Surroundings};

/// Prints it, and says with which code to exit.
pub fn print(source: &Source, json: bool) -> u8 {
    let loaded = config::load(source, &Surroundings::of_this_process());
    let code = if loaded.is_ok() { WELL } else { REFUSED };
    match loaded {
        _ if json => output::answer(&format!("{}\n", answer(&loaded)), code),
        Err(problems) => refused(&problems),
        Ok(loaded) => {
            let code = output::answer(&render::render(&loaded), code);
            loaded.warnings.iter().for_each(|warning| tell(&format!("warning: {warning}")));
            code
        }
    }
}

/// For machines: what is in force, or the problems; `sound` says which.
pub fn answer(loaded: &Result<Loaded, Vec<Problem>>) -> Value {
    match loaded {
        Ok(loaded) => json!({ "sound": true, "problems": [], "effective": render::json(loaded) }),
        Err(problems) => json!({ "sound": false, "problems": render::problems_json(problems) }),
    }
}
