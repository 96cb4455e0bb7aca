//! Reading a policy's `when`: `alert:NAME`, `alert:NAME{target="cache"}`, `schedule:0 4 * * * Europe/Berlin`.

use crate::model::calendar::Zone;
use crate::model::calendar::cron::Cron;
use crate::model::fault::Fault;
use crate::model::labels::NAME;
use crate::model::matcher::Matcher;
use crate::model::policy::When;
use crate::promql;
use crate::promql::tree::Node;

const FORM: &str = "Write \"alert:NAME\", \"alert:NAME{target=\\\"orders\\\"}\" or \"schedule:0 4 * * *\".";

/// Reads what a policy waits for.
///
/// # Errors
/// `act-32`: what is wrong with it. `calendar-…`: what is wrong with the schedule.
pub fn read(text: &str, zone: &Zone) -> Result<When, Fault> {
    let wrong = |what: String| Fault::new("act-32", what).hint(FORM);
    match text.split_once(':') {
        Some(("schedule", cron)) => Cron::parse(cron.trim(), zone).map(When::Schedule),
        Some(("alert", alert)) => {
            read_alert(alert.trim()).ok_or_else(|| wrong(format!("when is '{text}', which names no alert")))
        }
        Some(("finding", name)) => Err(Fault::new("act-32", format!("when is '{text}', and findings are alerts"))
            .hint(format!("Write \"alert:{name}\"."))),
        Some(("event", _)) => Err(wrong(format!("when is '{text}', and policies cannot wait for an event yet"))),
        _ => Err(wrong(format!("when is '{text}', which is neither an alert nor a schedule"))),
    }
}

/// A name, and perhaps matchers in braces, as a selector has them.
fn read_alert(text: &str) -> Option<When> {
    let (name, matchers) = match text.split_once('{') {
        None => (text, Vec::new()),
        Some((name, rest)) => (name.trim(), read_matchers(&format!("{{{NAME}=\"x\",{rest}"))?),
    };
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    is_name.then(|| When::Alert { name: name.to_string(), matchers })
}

/// The matchers of a selector that is nothing but one.
fn read_matchers(selector: &str) -> Option<Vec<Matcher>> {
    let expression = promql::parse(selector).ok().filter(|_| selector.ends_with('}'))?;
    let Node::Selector(selection) = expression.tree() else { return None };
    Some(selection.matchers.iter().filter(|matcher| matcher.name != NAME).cloned().collect())
}
