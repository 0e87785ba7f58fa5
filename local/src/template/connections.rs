//! Whether what the template connects is there: tables with streams, queues, and what AWS asks of the two ends.

use super::{FunctionSpec, QueueSpec, Template};
use crate::error::{Error, Result};

/// What event sources, destinations and dead letters point at must be in the template.
pub fn check(template: &Template) -> Result<()> {
    for subscription in &template.subscriptions {
        if !(template.topics.iter()).any(|topic| topic.arn == subscription.topic) {
            return Err(Error::new(format!(
                "resource {}: its topic {} is none of this template",
                subscription.function, subscription.topic
            )));
        }
    }
    for stream in &template.streams {
        let place = format!("resource {}: event source {}", stream.function, stream.id);
        let table = template
            .tables
            .iter()
            .find(|table| table.name == stream.table)
            .ok_or_else(|| {
                Error::new(format!(
                    "{place}: its stream is of no table of this template"
                ))
            })?;
        if table.create.get("StreamSpecification").is_none() {
            return Err(Error::new(format!(
                "{place}: table {} has no stream",
                table.logical_id
            )));
        }
        check_destination(template, stream.on_failure.as_deref(), &place)?;
    }
    for function in &template.functions {
        let place = format!("resource {}: EventInvokeConfig", function.logical_id);
        check_destination(
            template,
            function.asynchronous.on_failure.as_deref(),
            &place,
        )?;
    }
    for queue in &template.queues {
        let dead_letters = queue.redrive.as_ref().map(|redrive| &redrive.dead_letters);
        if let Some(arn) = dead_letters
            && (*arn == queue.arn || find(template, arn).is_none())
        {
            return Err(Error::new(format!(
                "resource {}: RedrivePolicy: its target is no other queue of this template",
                queue.logical_id
            )));
        }
    }
    check_pollers(template)
}

fn check_pollers(template: &Template) -> Result<()> {
    for source in &template.pollers {
        let place = format!("resource {}: event source {}", source.function, source.id);
        let queue = find(template, &source.queue)
            .ok_or_else(|| Error::new(format!("{place}: its queue is none of this template")))?;
        let function = function(template, &source.function);
        if function.is_some_and(|function| function.timeout > queue.visibility) {
            return Err(Error::new(format!(
                "{place}: the VisibilityTimeout of {} is shorter than the function's Timeout, which Lambda refuses",
                queue.logical_id
            )));
        }
    }
    Ok(())
}

fn check_destination(template: &Template, arn: Option<&str>, place: &str) -> Result<()> {
    match arn {
        Some(arn) if find(template, arn).is_none() => Err(Error::new(format!(
            "{place}: its destination is no queue of this template"
        ))),
        _ => Ok(()),
    }
}

fn find<'a>(template: &'a Template, arn: &str) -> Option<&'a QueueSpec> {
    template.queues.iter().find(|queue| queue.arn == arn)
}

fn function<'a>(template: &'a Template, id: &str) -> Option<&'a FunctionSpec> {
    (template.functions.iter()).find(|function| function.logical_id == id)
}
