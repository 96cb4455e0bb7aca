//! Rendering: a template's tree and data become a text, within limits.

use std::fmt;

use crate::judge::template::numbers;
use crate::judge::template::parse::{Block, Operand, Part, Pipeline};
use crate::judge::template::{Data, STEPS_MAX, TEXT_BYTES_MAX};
use crate::model::labels::Labels;

/// What an operand comes to.
#[derive(Clone, Debug)]
pub enum Value {
    Nil,
    Text(String),
    Number(f64),
    Whole(i64),
    Flag(bool),
    Labels(Labels),
    /// The root, `$`.
    Data,
}

impl Value {
    /// Whether `if` takes it for true: not zero, not empty.
    pub fn holds(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Text(text) => !text.is_empty(),
            Value::Number(number) => *number != 0.0,
            Value::Whole(whole) => *whole != 0,
            Value::Flag(flag) => *flag,
            Value::Labels(labels) => !labels.is_empty(),
            Value::Data => true,
        }
    }

    /// Go's name of the type, for messages that users know.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Text(_) => "string",
            Value::Number(_) => "float64",
            Value::Whole(_) => "int",
            Value::Flag(_) => "bool",
            Value::Labels(_) => "map[string]string",
            Value::Data => "struct",
        }
    }
}

impl fmt::Display for Value {
    /// As Go's `%v`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("<nil>"),
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => f.write_str(&numbers::shortest(*number)),
            Value::Whole(whole) => write!(f, "{whole}"),
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::Labels(labels) => {
                let pairs: Vec<String> = labels.iter().map(|label| format!("{}:{}", label.name, label.value)).collect();
                write!(f, "map[{}]", pairs.join(" "))
            }
            Value::Data => f.write_str("{…}"),
        }
    }
}

/// Renders parts that were read by `parse`.
///
/// # Errors
/// Values that do not fit their function, or a limit that was passed.
pub fn render(parts: &[Part], data: &Data<'_>) -> Result<String, String> {
    let variables = [
        ("", Value::Data),
        ("labels", Value::Labels(data.labels.clone())),
        ("externalLabels", Value::Labels(data.external_labels.clone())),
        ("externalURL", Value::Text(data.external_url.to_string())),
        ("value", Value::Number(data.value)),
    ];
    let variables = variables.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    let mut renderer = Renderer { data, variables, output: String::new(), steps: STEPS_MAX };
    renderer.parts(parts, &Value::Data)?;
    Ok(renderer.output)
}

struct Renderer<'a> {
    data: &'a Data<'a>,
    /// The innermost last; a name may stand here more than once.
    variables: Vec<(String, Value)>,
    output: String,
    steps: usize,
}

impl Renderer<'_> {
    fn write(&mut self, text: &str) -> Result<(), String> {
        if self.output.len() + text.len() > TEXT_BYTES_MAX {
            return Err(format!("the text is longer than {TEXT_BYTES_MAX} bytes"));
        }
        self.output.push_str(text);
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps = self.steps.checked_sub(1).ok_or_else(|| format!("more than {STEPS_MAX} steps"))?;
        Ok(())
    }

    /// Variables that are declared in these parts end with them.
    fn parts(&mut self, parts: &[Part], dot: &Value) -> Result<(), String> {
        let outer = self.variables.len();
        for part in parts {
            self.step()?;
            match part {
                Part::Text(text) => self.write(text)?,
                Part::Print(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    self.write(&value.to_string())?;
                }
                Part::Declare(name, pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    self.variables.push((name.clone(), value));
                }
                Part::Assign(name, pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if let Some((_, held)) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
                        *held = value;
                    }
                }
                Part::If(block) => self.conditional(block, dot, false)?,
                Part::With(block) => self.conditional(block, dot, true)?,
                Part::Range { key, value, block } => self.range(key, value, block, dot)?,
            }
        }
        self.variables.truncate(outer);
        Ok(())
    }

    fn conditional(&mut self, block: &Block, dot: &Value, moves_dot: bool) -> Result<(), String> {
        let value = self.pipeline(&block.pipeline, dot)?;
        let outer = self.variables.len();
        if !block.variable.is_empty() {
            self.variables.push((block.variable.clone(), value.clone()));
        }
        if value.holds() {
            self.parts(&block.body, if moves_dot { &value } else { dot })?;
        } else {
            self.parts(&block.otherwise, dot)?;
        }
        self.variables.truncate(outer);
        Ok(())
    }

    fn range(&mut self, key: &str, value: &str, block: &Block, dot: &Value) -> Result<(), String> {
        let labels = match self.pipeline(&block.pipeline, dot)? {
            Value::Labels(labels) => labels,
            Value::Nil => Labels::empty(),
            other => return Err(format!("range can't iterate over {other}")),
        };
        if labels.is_empty() {
            return self.parts(&block.otherwise, dot);
        }
        let outer = self.variables.len();
        for label in labels.iter() {
            let one = Value::Text(label.value.to_string());
            for (name, what) in [(key, Value::Text(label.name.to_string())), (value, one.clone())] {
                if !name.is_empty() {
                    self.variables.push((name.to_string(), what));
                }
            }
            self.parts(&block.body, &one)?;
            self.variables.truncate(outer);
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, String> {
        let mut piped = None;
        for command in &pipeline.0 {
            piped = Some(self.operand(command, dot, piped)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value, piped: Option<Value>) -> Result<Value, String> {
        Ok(match operand {
            Operand::Dot(fields) => self.fields(dot.clone(), fields)?,
            Operand::Variable(name, fields) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                let value = found.map_or(Value::Nil, |(_, value)| value.clone());
                self.fields(value, fields)?
            }
            Operand::Text(text) => Value::Text(text.clone()),
            Operand::Number(number) => Value::Number(*number),
            Operand::Whole(whole) => Value::Whole(*whole),
            Operand::Flag(flag) => Value::Flag(*flag),
            Operand::Nil => Value::Nil,
            Operand::Group(pipeline, fields) => {
                let value = self.pipeline(pipeline, dot)?;
                self.fields(value, fields)?
            }
            Operand::Call(function, operands) => {
                self.step()?;
                let mut arguments = Vec::with_capacity(operands.len() + 1);
                for operand in operands {
                    arguments.push(self.operand(operand, dot, None)?);
                }
                arguments.extend(piped);
                let value =
                    (function.call)(&arguments).map_err(|why| format!("error calling {}: {why}", function.name))?;
                if matches!(&value, Value::Text(text) if text.len() > TEXT_BYTES_MAX) {
                    return Err(format!("{} made a text longer than {TEXT_BYTES_MAX} bytes", function.name));
                }
                value
            }
        })
    }

    fn fields(&self, mut value: Value, fields: &[String]) -> Result<Value, String> {
        for field in fields {
            value = match (&value, field.as_str()) {
                (Value::Labels(labels), name) => Value::Text(labels.value(name).to_string()),
                (Value::Data, "Labels") => Value::Labels(self.data.labels.clone()),
                (Value::Data, "ExternalLabels") => Value::Labels(self.data.external_labels.clone()),
                (Value::Data, "ExternalURL") => Value::Text(self.data.external_url.to_string()),
                (Value::Data, "Value") => Value::Number(self.data.value),
                (other, name) => return Err(format!("can't evaluate field {name} in type {}", other.type_name())),
            };
        }
        Ok(value)
    }
}
