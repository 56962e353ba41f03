use super::*;

fn ask(mut request: Value, stream: bool) -> String {
    request["stream"] = stream.into();
    let answer = answer("/v1/chat/completions", request.to_string().as_bytes());
    assert_eq!(answer.status, 200);
    answer
        .chunks
        .iter()
        .map(|chunk| String::from_utf8_lossy(chunk).into_owned())
        .collect()
}

fn weather_tool() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}}, "required": ["city"]}}}])
}

#[test]
fn whole_and_streamed_answers_carry_the_same_text() {
    let request = json!({"model": "smart", "messages": [{"role": "user", "content": "Hello there"}]});
    let whole: Value = serde_json::from_str(&ask(request.clone(), false)).unwrap();
    let streamed: String = ask(request, true)
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(whole["choices"][0]["message"]["content"], streamed);
    assert!(streamed.contains("Hello there"));
}

#[test]
fn tools_are_called_when_named_or_forced_and_never_otherwise() {
    let cases = [
        ("What is the weather in Paris today?", json!("auto"), Some("Paris")),
        ("Say hi", json!("auto"), None),
        ("Say hi", json!("required"), Some("hi")),
        ("weather in Rome", json!("none"), None),
        (
            "Go to Oslo",
            json!({"type": "function", "function": {"name": "get_weather"}}),
            Some("Oslo"),
        ),
    ];
    for (asked, choice, city) in cases {
        let request = json!({"model": "fast", "messages": [{"role": "user", "content": asked}], "tools": weather_tool(), "tool_choice": choice});
        let body: Value = serde_json::from_str(&ask(request, false)).unwrap();
        let arguments = body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"].as_str();
        assert_eq!(
            arguments.map(str::to_owned),
            city.map(|city| json!({"city": city}).to_string()),
            "{asked}"
        );
    }
}

#[test]
fn structured_output_satisfies_its_schema() {
    let schema = json!({"type": "object", "required": ["steps", "mood", "next"], "properties": {
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}}, "mood": {"enum": ["calm", "tense"]}, "next": {"anyOf": [{"type": "null"}, {"type": "string"}]}},
        "$defs": {"step": {"type": "object", "required": ["text", "done"], "properties": {"text": {"type": "string"}, "done": {"type": "boolean"}}}}});
    let request = json!({"model": "fast", "messages": [{"role": "user", "content": "Plan it"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "plan", "schema": schema}}});
    let body: Value = serde_json::from_str(&ask(request, false)).unwrap();
    let plan: Value = serde_json::from_str(body["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(
        plan,
        json!({"steps": [{"text": "it", "done": true}], "mood": "calm", "next": null})
    );
}

#[test]
fn limits_usage_and_bad_requests_are_answered_like_a_provider() {
    let request = json!({"model": "reasoner", "max_tokens": 2, "messages": [{"role": "user", "content": "Hello"}],
        "stream_options": {"include_usage": true}});
    let text = ask(request, true);
    assert!(
        text.contains("\"finish_reason\":\"length\"")
            && text.contains("reasoning_content")
            && text.ends_with("data: [DONE]\n\n")
    );
    assert!(text.contains("\"completion_tokens\":"));
    for body in ["nonsense", "{}", r#"{"messages":[]}"#] {
        assert_eq!(answer("/v1/chat/completions", body.as_bytes()).status, 400, "{body}");
    }
}

#[test]
fn embeddings_are_unit_length_and_base64_holds_the_same_floats() {
    let floats = |format: &str| {
        let body =
            json!({"model": "embed", "input": ["green tea", "green tea"], "encoding_format": format, "dimensions": 16});
        let answer = answer("https://x/v1/embeddings", body.to_string().as_bytes());
        serde_json::from_slice::<Value>(&answer.chunks[0]).unwrap()
    };
    let plain: Vec<f32> = serde_json::from_value(floats("float")["data"][0]["embedding"].clone()).unwrap();
    assert!((plain.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    assert_eq!(
        floats("float")["data"][0]["embedding"],
        floats("float")["data"][1]["embedding"]
    );
    let text = floats("base64")["data"][0]["embedding"].as_str().unwrap().to_owned();
    assert_eq!((text.len(), text.ends_with("==")), (88, true));
}
