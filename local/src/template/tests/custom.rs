//! Custom resources: what their functions are told, and where their attributes go.

use super::*;

const CUSTOM: &str = "
  Asked: {Type: 'Custom::Thing', Properties: {ServiceToken: !GetAtt Work.Arn, Count: 5, Of: {Deep: [true]}}}
  Other:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: other}}
    Properties: {Environment: {Variables: {ONE: !GetAtt Asked.Arn, TWO: !Sub 'a/${Asked.Id}/b'}}}
  WorkRole:";

#[test]
fn a_custom_resources_attributes_are_filled_in_when_its_function_was_asked() {
    let text = GOOD.replace("\n  WorkRole:", CUSTOM);
    let mut template = check(&text).unwrap();
    let custom = &template.customs[0];
    assert_eq!(
        (custom.function.as_str(), custom.kind.as_str()),
        ("Work", "Custom::Thing")
    );
    assert_eq!(custom.properties["Count"], "5");
    assert_eq!(custom.properties["Of"]["Deep"], json!(["true"]));
    let answer = |names: &[&str]| {
        let values = names
            .iter()
            .map(|name| ((*name).to_owned(), (*name).to_lowercase()));
        Answers::from([("Asked".to_owned(), values.collect())])
    };
    let error = check(&text).unwrap().fill(&answer(&["Arn"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "resource Other: variable TWO: Asked.Id has no value"
    );
    template.fill(&answer(&["Arn", "Id"])).unwrap();
    let other = template
        .functions
        .iter()
        .find(|f| f.binary == "other")
        .unwrap();
    assert_eq!(
        (
            other.environment["ONE"].as_str(),
            other.environment["TWO"].as_str()
        ),
        ("arn", "a/id/b")
    );
    for (from, to, expected) in [
        (
            "!GetAtt Work.Arn, Count",
            "!GetAtt WorkRole.Arn, Count",
            "resource Asked: its ServiceToken is no function of this template",
        ),
        (
            "Properties: {Environment",
            "Properties: {Timeout: !GetAtt Asked.Time, Environment",
            "resource Other: property Timeout: attribute Time of Asked, an Custom::Thing, is not supported by the local stack",
        ),
    ] {
        let error = check(&text.replace(from, to)).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
}
