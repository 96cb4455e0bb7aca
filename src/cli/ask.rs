//! Asking the running agent: the same REST API that everybody has, over the agent's own socket.

use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::cli::output::tell;
use crate::cli::{REFUSED, UNKNOWN};
use crate::config::{self, Source, Surroundings};
use crate::model::fault::Fault;
use crate::sys::http::{Base, Client, is_success};
use crate::sys::net::Address;

const ANSWER_BYTES_MAX: usize = 32 << 20;
/// How long the agent may take for an answer, unless the verb knows better.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The running agent, as a verb of the command line sees it.
pub struct Agent {
    runtime: Runtime,
    asker: Asker,
}

/// The agent's socket, for a verb that also waits for something else.
pub struct Asker {
    client: Client,
}

/// Why there is no answer, in words for the terminal, and the code to exit with.
pub struct Refused {
    pub words: String,
    pub code: u8,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused { words: fault.to_string(), code: UNKNOWN }
    }
}

impl Refused {
    /// Says it on standard error.
    pub fn say(&self) -> u8 {
        tell(&format!("error: {}", self.words));
        self.code
    }
}

impl Agent {
    /// The agent of a configuration, which may have become invalid since it began: only its state_dir counts.
    ///
    /// # Errors
    /// `cli-01`: no runtime.
    pub fn of(source: &Source) -> Result<Agent, Refused> {
        let socket = config::state_dir(source, &Surroundings::of_this_process()).join("watchward.sock");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Fault::new("cli-01", format!("cannot ask the agent: {error}")))?;
        let client = Client::new(Base {
            address: Address::Unix(socket),
            host: "localhost".to_string(),
            tls: None,
            user_agent: "watchward-cli".to_string(),
            answer_bytes_max: ANSWER_BYTES_MAX,
        });
        Ok(Agent { runtime, asker: Asker { client } })
    }

    /// For a verb that waits for more than an answer.
    pub fn into_parts(self) -> (Runtime, Asker) {
        (self.runtime, self.asker)
    }

    /// # Errors
    /// As `send`.
    pub fn get(&mut self, path: &str) -> Result<Value, Refused> {
        self.send(Method::GET, path, &Value::Null)
    }

    /// # Errors
    /// As `send`.
    pub fn post(&mut self, path: &str, body: &Value) -> Result<Value, Refused> {
        self.send(Method::POST, path, body)
    }

    /// Sends one request; a body of null is none.
    ///
    /// # Errors
    /// `cli-02`, `cli-04` and the network's faults: there is no answer (exit code 3). What the agent refused is told in
    /// its own words (exit code 2).
    pub fn send(&mut self, method: Method, path: &str, body: &Value) -> Result<Value, Refused> {
        self.runtime.block_on(self.asker.send(method, path, body))
    }
}

impl Asker {
    /// # Errors
    /// As `Agent::send`.
    pub async fn get(&mut self, path: &str) -> Result<Value, Refused> {
        self.send(Method::GET, path, &Value::Null).await
    }

    async fn send(&mut self, method: Method, path: &str, body: &Value) -> Result<Value, Refused> {
        let headers: &[(&str, &str)] = if body.is_null() { &[] } else { &[("content-type", "application/json")] };
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let asking = self.client.send(method, path, headers, bytes);
        let response = tokio::time::timeout(ANSWER_TIME, asking)
            .await
            .map_err(|_| Fault::new("cli-02", format!("the agent does not answer within {} s", ANSWER_TIME.as_secs())))?
            .map_err(unreachable)?;
        let answer = serde_json::from_slice(&response.body);
        if !is_success(response.status) {
            return Err(refusal(path, response.status, &answer.unwrap_or_default()));
        }
        answer
            .map_err(|error| Fault::new("cli-04", format!("the agent's answer to {path} is not JSON: {error}")).into())
    }
}

/// The network's fault, in the words of somebody who looks for the agent.
fn unreachable(fault: Fault) -> Fault {
    if fault.code != "net-01" {
        return fault;
    }
    Fault::new("cli-05", format!("no agent answers: {}", fault.what))
        .hint("Is it running (`systemctl status watchward`) with this configuration (--config), as this user or root?")
}

/// A fault that came as JSON, as a fault of ours would be printed.
fn refusal(path: &str, status: u16, answer: &Value) -> Refused {
    // Prometheus' query API has errors of its own form.
    if let Some(words) = answer["error"].as_str() {
        return Refused { words: words.to_string(), code: REFUSED };
    }
    let text = |key: &str| answer["error"][key].as_str().unwrap_or("");
    if text("what").is_empty() {
        return Fault::new("cli-03", format!("the agent answered {status} to {path}")).into();
    }
    let mut words = format!("{} [{}]", text("what"), text("code"));
    for key in ["detail", "hint"] {
        if !text(key).is_empty() {
            words.push_str(&format!("\n{key}: {}", text(key)));
        }
    }
    Refused { words, code: REFUSED }
}
