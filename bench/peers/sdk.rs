//! Clients as the functions have them, without time-outs and retries of their own.
#![allow(dead_code, reason = "no peer needs all of it")]

use std::env;

use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use lambda_http::Error;

/// A variable that must be there.
pub fn variable(name: &str) -> Result<String, Error> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}

fn credentials() -> Result<Credentials, Error> {
    let key = variable("AWS_ACCESS_KEY_ID")?;
    let secret = variable("AWS_SECRET_ACCESS_KEY")?;
    Ok(Credentials::new(key, secret, None, None, "environment"))
}

/// A client of the table, over plain HTTP.
pub fn dynamodb() -> Result<aws_sdk_dynamodb::Client, Error> {
    let region = aws_sdk_dynamodb::config::Region::new(variable("AWS_REGION")?);
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version_latest()
        .region(region)
        .credentials_provider(credentials()?)
        .http_client(Builder::new().build_http())
        .endpoint_url(variable("AWS_ENDPOINT_URL_DYNAMODB")?);
    Ok(aws_sdk_dynamodb::Client::from_conf(config.build()))
}

/// A client of SNS, over plain HTTP.
pub fn sns() -> Result<aws_sdk_sns::Client, Error> {
    let region = aws_sdk_sns::config::Region::new(variable("AWS_REGION")?);
    let config = aws_sdk_sns::Config::builder()
        .behavior_version_latest()
        .region(region)
        .credentials_provider(credentials()?)
        .http_client(Builder::new().build_http())
        .endpoint_url(variable("AWS_ENDPOINT_URL_SNS")?);
    Ok(aws_sdk_sns::Client::from_conf(config.build()))
}
