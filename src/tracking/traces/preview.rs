//! The few words by which a list shows a request or a response: the last message of a chat if the
//! value is one, else the beginning of its JSON.

use serde_json::Value;

const LONGEST: usize = 1000;

/// `text` is the attribute's JSON; `role` is whose message is looked for.
pub fn of(text: &str, role: &str) -> String {
    let message = serde_json::from_str(text).ok().and_then(|value| message_in(&value, role));
    let shown = message.filter(|message| !message.is_empty()).unwrap_or_else(|| text.to_owned());
    if shown.chars().count() <= LONGEST {
        return shown;
    }
    shown.chars().take(LONGEST - 3).chain("...".chars()).collect()
}

fn message_in(value: &Value, role: &str) -> Option<String> {
    let messages = messages_of(value, 0)?;
    let wanted = messages.iter().rev().find(|message| message["role"] == role);
    match &wanted.or(messages.last())?["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().find_map(part_text),
        _ => None,
    }
}

fn part_text(part: &Value) -> Option<String> {
    match part {
        Value::String(text) => Some(text.clone()),
        part if part["type"] == "text" || part["type"] == "output_text" => {
            part["text"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// The messages of a chat's request or response, in any of the shapes its APIs have.
fn messages_of(value: &Value, depth: usize) -> Option<Vec<&Value>> {
    let is_message = |item: &&Value| item.get("role").is_some() && item.get("content").is_some();
    for key in ["messages", "choices", "input", "output"] {
        let Some(Value::Array(items)) =
            value.get(key).filter(|items| items.as_array().is_some_and(|items| !items.is_empty()))
        else {
            continue;
        };
        if key == "choices" {
            if let Some(message) = items.first().and_then(|choice| choice.get("message")).filter(is_message) {
                return Some(vec![message]);
            }
            continue;
        }
        return Some(items.iter().filter(is_message).collect());
    }
    // An agent's request wraps the chat's.
    let inner = value.get("request").filter(|_| depth < 4)?;
    messages_of(inner, depth + 1)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn chats_show_their_last_message() {
        let chat =
            r#"{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]}"#;
        assert_eq!(of(chat, "user"), "hi");
        assert_eq!(of(chat, "system"), "yo");
        let choice = r#"{"choices": [{"message": {"role": "assistant", "content": [{"type": "text", "text": "t"}]}}]}"#;
        assert_eq!(of(choice, "assistant"), "t");
        assert_eq!(of(r#"{"request": {"input": [{"role": "user", "content": "q"}]}}"#, "user"), "q");
        assert_eq!(of(r#"{"x": 1}"#, "user"), r#"{"x": 1}"#);
        assert_eq!(of("no json", "user"), "no json");
    }

    #[test]
    fn long_ones_are_cut() {
        let shown = of(&"é".repeat(2000), "user");
        assert_eq!(shown.chars().count(), 1000);
        assert!(shown.ends_with("..."));
    }
}
