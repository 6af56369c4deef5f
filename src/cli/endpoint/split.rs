//! `crannog endpoint split`: who gets which model.

use super::{path_of, text};
use crate::cli::{Failure, client::Client, failure::Code, print, table};
use clap::Args;
use serde_json::{Map, Value, json};

#[derive(Args)]
pub struct Split {
    name: String,
    /// Weights of routes, e.g. champion=90 challenger=10
    #[arg(value_name = "ROUTE=WEIGHT", value_parser = weight)]
    weights: Vec<(String, u32)>,
    /// Add a route, or give one another model, e.g. challenger=models:/delay/3
    #[arg(long = "route", value_name = "ROUTE=URI", value_parser = pair)]
    routes: Vec<(String, String)>,
    /// Add a route that is asked what others are asked, and compared, but never heard
    #[arg(long = "shadow", value_name = "ROUTE=URI", value_parser = pair)]
    shadows: Vec<(String, String)>,
    /// Send requests with a header to a route, e.g. challenger=x-tier:beta
    #[arg(long = "header", value_name = "ROUTE=HEADER:VALUE", value_parser = header)]
    headers: Vec<(String, (String, String))>,
    /// Take a route away
    #[arg(long = "remove", value_name = "ROUTE")]
    removed: Vec<String>,
    /// What makes callers keep their route: header:NAME, cookie:NAME, user, or none
    #[arg(long, value_name = "WHAT", value_parser = sticky)]
    sticky: Option<Value>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn weight(text: &str) -> Result<(String, u32), String> {
    let (name, value) = pair(text)?;
    let weight = value.parse().map_err(|_| format!("{value:?} is not a weight: use a number such as 90"))?;
    Ok((name, weight))
}

fn header(text: &str) -> Result<(String, (String, String)), String> {
    let (name, rule) = pair(text)?;
    let (header, value) = rule.split_once(':').ok_or("write it as ROUTE=HEADER:VALUE")?;
    Ok((name, (header.to_owned(), value.to_owned())))
}

fn sticky(text: &str) -> Result<Value, String> {
    match text.split_once(':') {
        Some((by @ ("header" | "cookie"), name)) if !name.is_empty() => Ok(json!({ "by": by, "name": name })),
        None if text == "user" => Ok(json!({ "by": "user" })),
        None if text == "none" => Ok(Value::Null),
        _ => Err("use header:NAME, cookie:NAME, user or none".into()),
    }
}

pub async fn split(client: &Client, wanted: &Split) -> Result<(), Failure> {
    let endpoint = client.get(&path_of(&wanted.name)).await?;
    let mut routes = definition(&endpoint);
    routes.retain(|route| !wanted.removed.iter().any(|name| route["name"] == name.as_str()));
    for (name, model) in &wanted.routes {
        at(&mut routes, name).insert("model".into(), model.as_str().into());
    }
    for (name, model) in &wanted.shadows {
        let route = at(&mut routes, name);
        route.insert("model".into(), model.as_str().into());
        route.insert("shadow".into(), true.into());
        route.insert("weight".into(), 0.into());
    }
    for (name, (header, value)) in &wanted.headers {
        known(&mut routes, name)?.insert("match".into(), json!({ "header": header, "value": value }));
    }
    for (name, weight) in &wanted.weights {
        known(&mut routes, name)?.insert("weight".into(), (*weight).into());
    }
    let mut changes = json!({ "routes": routes });
    if let Some(sticky) = &wanted.sticky {
        changes["sticky"] = sticky.clone();
    }
    let answer = client.patch(&path_of(&wanted.name), &changes).await?;
    show(&answer)
}

/// The routes as they are defined, without what is only told of them.
fn definition(endpoint: &Value) -> Vec<Map<String, Value>> {
    let told = endpoint["routes"].as_array().map_or(&[][..], Vec::as_slice);
    let own = told.iter().filter(|route| route["name"] != "canary");
    let kept = ["name", "model", "weight", "match", "shadow", "limits"];
    let one = |route: &Value| {
        let fields = kept.iter().map(|field| ((*field).to_owned(), route[field].clone()));
        fields.filter(|(_, value)| !value.is_null()).collect()
    };
    own.map(one).collect()
}

fn at<'a>(routes: &'a mut Vec<Map<String, Value>>, name: &str) -> &'a mut Map<String, Value> {
    let place = routes.iter().position(|route| route["name"] == name).unwrap_or_else(|| {
        routes.push(Map::from_iter([("name".to_owned(), name.into())]));
        routes.len() - 1
    });
    &mut routes[place]
}

fn known<'a>(
    routes: &'a mut [Map<String, Value>],
    name: &str,
) -> Result<&'a mut Map<String, Value>, Failure> {
    routes.iter_mut().find(|route| route["name"] == name).ok_or_else(|| {
        Failure::new(Code::NotFound, format!("there is no route {name}"))
            .hint(format!("add it with --route {name}=models:/NAME/VERSION"))
    })
}

/// The routes of an endpoint, with the version and the share of each.
pub fn show(endpoint: &Value) -> Result<(), Failure> {
    let mut rows = vec![["ROUTE", "MODEL", "VERSION", "SHARE", "STATE"].map(str::to_owned).to_vec()];
    let routes = endpoint["routes"].as_array().map_or(&[][..], Vec::as_slice);
    rows.extend(routes.iter().map(|route| {
        let share = match (&route["shadow"], &route["match"]) {
            (Value::Bool(true), _) => "shadow".to_owned(),
            (_, Value::Object(rule)) => {
                format!(
                    "{} %, and {}: {}",
                    text(&route["share"]),
                    text(&rule["header"]),
                    text(&rule["value"])
                )
            }
            _ => format!("{} %", text(&route["share"])),
        };
        let [name, model, version, state] =
            ["name", "model", "version", "state"].map(|field| text(&route[field]));
        vec![name, model, version, share, state]
    }));
    print(&table(&rows))
}

/// `crannog endpoint rollback`.
pub async fn roll_back(client: &Client, name: &str, version: Option<&str>) -> Result<(), Failure> {
    let answer = client.post(&format!("{}/rollback", path_of(name)), &json!({ "version": version })).await?;
    eprintln!("Endpoint {name} serves version {} now.", text(&answer["version"]));
    eprintln!("Next: crannog endpoint history {name}");
    show(&answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_command_line_are_read_or_refused() {
        assert_eq!(weight("a=9"), Ok(("a".into(), 9)));
        assert!(weight("a").is_err() && weight("a=x").is_err());
        assert_eq!(header("a=x-tier:beta"), Ok(("a".into(), ("x-tier".into(), "beta".into()))));
        assert!(header("a=x-tier").is_err());
        assert_eq!(sticky("user"), Ok(json!({ "by": "user" })));
        assert_eq!(sticky("none"), Ok(Value::Null));
        assert_eq!(sticky("cookie:id"), Ok(json!({ "by": "cookie", "name": "id" })));
        assert!(sticky("header:").is_err() && sticky("ip").is_err());
    }

    #[test]
    fn what_is_told_of_a_route_is_no_part_of_its_definition() {
        let told = json!({ "routes": [
            { "name": "champion", "model": "models:/m/1", "weight": 9, "share": 90.0, "state": "ready", "match": null },
            { "name": "canary", "model": "models:/m/2", "weight": 0, "share": 10.0 },
        ]});
        assert_eq!(
            json!(definition(&told)),
            json!([{ "name": "champion", "model": "models:/m/1", "weight": 9 }])
        );
    }
}
