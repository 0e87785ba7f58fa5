//! What of the template language a rule may use: what can build no value larger than the event.
//!
//! The engine's fuel counts steps and text, not what a list of lists holds, nor what is folded when a template
//! is compiled. So a template names no values of its own, loops over parts of the event alone, and has lists
//! only where they are looked into.

use minijinja::machinery::Span;
use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, Stmt};

/// Where a template breaks the rules, as an offset in bytes, and why.
pub type Refused = (usize, &'static str);

const STATEMENTS: &str =
    "only the statements if, for and raw are supported: a template sets no variables";
const LOOPS: &str = "a loop goes over a part of the event, such as data.items, or over range(…), and not into itself";
const LISTS: &str = "a list stands only behind in, or before a filter, and has only texts, numbers and parts of the event";
const OBJECTS: &str = "objects are not supported";

fn refuse(span: Span, why: &'static str) -> Result<(), Refused> {
    Err((span.start_offset as usize, why))
}

/// Checks a template, or a part of it.
pub fn statement(statement: &Stmt<'_>) -> Result<(), Refused> {
    let statements = |all: &[Stmt<'_>]| all.iter().try_for_each(self::statement);
    match statement {
        Stmt::Template(template) => statements(&template.children),
        Stmt::EmitRaw(_) => Ok(()),
        Stmt::EmitExpr(emit) => expression(&emit.expr),
        Stmt::IfCond(condition) => {
            expression(&condition.expr)?;
            statements(&condition.true_body)?;
            statements(&condition.false_body)
        }
        Stmt::ForLoop(each) => {
            if each.recursive || !is_loop(&each.iter) {
                return refuse(each.iter.span(), LOOPS);
            }
            expression(&each.iter)?;
            each.filter_expr.as_ref().map_or(Ok(()), expression)?;
            statements(&each.body)?;
            statements(&each.else_body)
        }
        Stmt::WithBlock(other) => refuse(other.span(), STATEMENTS),
        Stmt::Set(other) => refuse(other.span(), STATEMENTS),
        Stmt::SetBlock(other) => refuse(other.span(), STATEMENTS),
        Stmt::AutoEscape(other) => refuse(other.span(), STATEMENTS),
        Stmt::FilterBlock(other) => refuse(other.span(), STATEMENTS),
        Stmt::Do(other) => refuse(other.span(), STATEMENTS),
    }
}

/// Whether it is something of the event, or of what a loop has of it.
fn is_part(expression: &Expr<'_>) -> bool {
    match expression {
        Expr::Var(_) => true,
        Expr::GetAttr(of) => is_part(&of.expr),
        Expr::GetItem(of) => is_part(&of.expr),
        Expr::Slice(of) => is_part(&of.expr),
        _ => false,
    }
}

/// Whether a loop may go over it: parts, perhaps sorted or the like.
fn is_loop(expression: &Expr<'_>) -> bool {
    match expression {
        Expr::Filter(filter) => filter.args.is_empty() && filter.expr.as_ref().is_some_and(is_loop),
        Expr::Call(call) => matches!(&call.expr, Expr::Var(name) if name.id == "range"),
        other => is_part(other),
    }
}

fn expression(whole: &Expr<'_>) -> Result<(), Refused> {
    match whole {
        Expr::Var(_) | Expr::Const(_) => Ok(()),
        Expr::Slice(slice) => {
            expression(&slice.expr)?;
            let bounds = [&slice.start, &slice.stop, &slice.step];
            bounds.into_iter().flatten().try_for_each(expression)
        }
        Expr::UnaryOp(unary) => expression(&unary.expr),
        Expr::BinOp(binary) => {
            expression(&binary.left)?;
            match binary.op {
                BinOpKind::In => looked_into(&binary.right),
                _ => expression(&binary.right),
            }
        }
        Expr::Compare(compare) => {
            expression(&compare.expr)?;
            compare
                .ops
                .iter()
                .try_for_each(|compared| match compared.op {
                    CompareOpKind::In | CompareOpKind::NotIn => looked_into(&compared.expr),
                    _ => expression(&compared.expr),
                })
        }
        Expr::IfExpr(choice) => {
            expression(&choice.test_expr)?;
            expression(&choice.true_expr)?;
            choice.false_expr.as_ref().map_or(Ok(()), expression)
        }
        Expr::Filter(filter) => {
            filter.expr.as_ref().map_or(Ok(()), looked_into)?;
            arguments(&filter.args)
        }
        Expr::Test(test) => {
            looked_into(&test.expr)?;
            arguments(&test.args)
        }
        Expr::GetAttr(of) => expression(&of.expr),
        Expr::GetItem(of) => {
            expression(&of.expr)?;
            expression(&of.subscript_expr)
        }
        Expr::Call(call) => {
            expression(&call.expr)?;
            arguments(&call.args)
        }
        Expr::List(list) => refuse(list.span(), LISTS),
        Expr::Tuple(tuple) => refuse(tuple.span(), LISTS),
        Expr::Map(map) => refuse(map.span(), OBJECTS),
    }
}

/// What may be a list, as nothing but its items is asked for.
fn looked_into(whole: &Expr<'_>) -> Result<(), Refused> {
    let items = match whole {
        Expr::List(list) => &list.items,
        Expr::Tuple(tuple) => &tuple.items,
        other => return expression(other),
    };
    items.iter().try_for_each(|item| match item {
        Expr::Const(_) => Ok(()),
        item if is_part(item) => expression(item),
        item => refuse(item.span(), LISTS),
    })
}

fn arguments(arguments: &[CallArg<'_>]) -> Result<(), Refused> {
    arguments.iter().try_for_each(|argument| match argument {
        CallArg::Pos(value)
        | CallArg::Kwarg(_, value)
        | CallArg::PosSplat(value)
        | CallArg::KwargSplat(value) => expression(value),
    })
}
