//! `watchward sample`: reads one target once, by a session of its own and without the agent, and prints what its exporter
//! would show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{REFUSED, UNKNOWN, WARNING, WELL, output, refused};
use crate::config::{self, Configuration, Source, Surroundings};
use crate::engines;
use crate::model::fault::Fault;
use crate::model::labels::Labels;
use crate::model::nearest::nearest;
use crate::model::reading::{Cycle, UnknownKind};
use crate::model::series::{Series, SeriesId, is_stale};
use crate::model::target::Target;
use crate::pipeline::agent::catalogue;
use crate::sample::census::Census;
use crate::sample::cycle::Watched;
use crate::sample::discovery;
use crate::sample::own;
use crate::serve::exposition::{Exposition, Latest, Wish};
use crate::serve::metrics::{Choice, wanted};
use crate::sys::clock::Clock;
use crate::sys::log::printable;

/// What is read.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// The target, by its name in the configuration, or by the name under which it is found
    #[arg(long, value_name = "NAME")]
    pub target: String,
    /// Its tenant, where several have a target of this name
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,
    /// Machine-readable
    #[arg(long)]
    pub json: bool,
}

/// The series of one reading: nothing is stored.
#[derive(Default)]
struct Register(Mutex<(HashMap<Labels, SeriesId>, Vec<Labels>)>);

impl Series for Register {
    fn id(&self, labels: &Labels, _spare: usize) -> Option<SeriesId> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = SeriesId(u32::try_from(known.1.len()).ok()?);
        let id = *known.0.entry(labels.clone()).or_insert(next);
        if id == next {
            known.1.push(labels.clone());
        }
        Some(id)
    }

    fn labels(&self, id: SeriesId) -> Labels {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.1.get(id.0 as usize).cloned().unwrap_or_else(Labels::empty)
    }
}

/// Reads the target and prints it, and says with which code to exit.
pub fn run(source: &Source, which: &Which) -> u8 {
    let loaded = match config::load(source, &Surroundings::of_this_process()) {
        Ok(loaded) => loaded,
        Err(problems) => return refused(&problems),
    };
    let read = find(&loaded.configuration, which).and_then(|target| read(&loaded.configuration, target));
    match read {
        Ok((target, cycle, latest)) => {
            let text = if which.json {
                format!("{}\n", document(&target, &cycle, &latest))
            } else {
                let catalogue = catalogue();
                catalogue.set_own(&mut own::metrics(std::slice::from_ref(&target)));
                let naming = loaded.configuration.serve.naming;
                let exposition = Exposition::new(Arc::new(catalogue), naming);
                let wish = Wish { as_exporter: true, ..Wish::default() };
                exposition.write(&latest, &[], wish, cycle.at_ms)
            };
            let code = output::answer(&text, code(&cycle));
            if !which.json {
                tell(&cycle);
            }
            code
        }
        Err(fault) => {
            output::tell(&format!("error: {fault}"));
            REFUSED
        }
    }
}

/// The target that is meant: a configured one, else one that is found on this machine where no file says what to watch.
fn find(configuration: &Configuration, which: &Which) -> Result<Target, Fault> {
    let mut known = configuration.targets.clone();
    if configuration.discovers {
        let found = discovery::servers().into_iter();
        known.extend(found.filter_map(|(engine, found)| configuration.target_found(&found, engine).ok()));
    }
    let of_tenant = |one: &&Target| which.tenant.as_ref().is_none_or(|tenant| *tenant == one.tenant);
    let fits: Vec<&Target> = known.iter().filter(of_tenant).filter(|one| one.name == which.target).collect();
    match fits.as_slice() {
        [target] => Ok((*target).clone()),
        [] => Err(no_such(&known, which)),
        several => {
            let tenants: Vec<&str> = several.iter().map(|one| one.tenant.as_str()).collect();
            Err(Fault::new("cli-51", format!("several tenants have a target '{}'", which.target))
                .hint(format!("Say which: --tenant {}.", tenants.join(" or --tenant "))))
        }
    }
}

fn no_such(known: &[Target], which: &Which) -> Fault {
    let of_tenant = which.tenant.as_ref().map_or(String::new(), |tenant| format!(" of the tenant '{tenant}'"));
    let fault = Fault::new("cli-50", format!("there is no target '{}'{of_tenant}", which.target));
    let names: Vec<&str> = known.iter().map(|one| one.name.as_str()).collect();
    match nearest(&which.target, &names).first() {
        Some(near) => fault.hint(format!("Did you mean '{near}'?")),
        None if names.is_empty() => fault.hint("The configuration has none; name another with --config."),
        None => fault.hint(format!("Known are {}.", names.join(", "))),
    }
}

/// One cycle of the target: its points with their labels.
fn read(configuration: &Configuration, target: Target) -> Result<(Target, Cycle, Vec<Latest>), Fault> {
    let engine = engines::find(&target.engine)
        .ok_or_else(|| Fault::new("cli-52", format!("there is no engine '{}'", target.engine)))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::new("cli-01", format!("cannot read anything: {error}")))?;
    let series = Arc::new(Register::default());
    let series_max = configuration.sample.series_max_per_row;
    let (target_read, census) = (Arc::new(target.clone()), Arc::new(Census::unbounded()));
    let mut watched = Watched::new(engine, target_read, series.clone(), series_max, Arc::default(), census);
    let cycle = runtime.block_on(watched.cycle(&Clock::begin(None), Duration::ZERO));
    runtime.shutdown_timeout(Duration::from_millis(200)); // a socket that hangs must not hold up the end
    let (catalogue, choice) = (catalogue(), Choice { target: Some(target.name.clone()), tenant: None });
    let points = cycle.points.iter().filter(|(_, value)| !is_stale(*value));
    let latest = points.map(|(id, value)| (*id, series.labels(*id), *value));
    let latest = latest.filter(|(_, labels, _)| wanted(labels, &choice, &catalogue)).collect();
    Ok((target, cycle, latest))
}

/// Says what the exposition cannot: what was not read, and why.
fn tell(cycle: &Cycle) {
    for row in &cycle.rows {
        if let Err(unknown) = &row.result {
            output::tell(&format!("not read: {}: {}", row.name, printable(&unknown.reason)));
        }
    }
    for (row, dropped) in &cycle.points_dropped {
        output::tell(&format!("{dropped} points of {row} were left out: it has more series than it may have"));
    }
    if let Some(fault) = &cycle.fault {
        output::tell(&format!("error: {fault}"));
    }
}

/// 2: the server refuses us. 3: it does not answer. 1: it answers, and something that it has could not be read.
fn code(cycle: &Cycle) -> u8 {
    let is_unread = |kind: UnknownKind| kind != UnknownKind::NotHere;
    match &cycle.fault {
        Some(fault) if fault.of_login => REFUSED,
        Some(_) => UNKNOWN,
        None if !cycle.points_dropped.is_empty() => WARNING,
        None if cycle.rows.iter().any(|row| row.result.as_ref().is_err_and(|one| is_unread(one.kind))) => WARNING,
        None => WELL,
    }
}

/// The same for machines. Names and values are the exporter's whatever `[serve] naming` says.
fn document(target: &Target, cycle: &Cycle, latest: &[Latest]) -> Value {
    let rows: Vec<Value> = cycle
        .rows
        .iter()
        .map(|row| {
            let unknown = row.result.as_ref().err();
            json!({
                "row": row.name,
                "took_s": row.took.as_secs_f64(),
                "kind": unknown.map(|unknown| unknown.kind.word()),
                "reason": unknown.map(|unknown| &unknown.reason),
            })
        })
        .collect();
    // JSON has no word for numbers that are none.
    let number = |value: f64| if value.is_finite() { json!(value) } else { json!(value.to_string()) };
    let samples: Vec<Value> =
        latest.iter().map(|(_, labels, value)| json!({ "labels": labels, "value": number(*value) })).collect();
    json!({
        "target": target.name,
        "tenant": target.tenant,
        "engine": target.engine,
        "version": cycle.version,
        "flavour": cycle.flavour,
        "role": cycle.role,
        "up": cycle.up,
        "took_s": cycle.took.as_secs_f64(),
        "fault": cycle.fault,
        "dropped_points": cycle.points_dropped.iter().map(|(_, count)| count).sum::<u64>(),
        "rows": rows,
        "samples": samples,
    })
}
