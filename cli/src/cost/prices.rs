//! List prices of us-east-1 in dollars, as published pages stated them in November 2026; without free tiers and
//! discounts. Change them here, with the date.

/// When the prices were read.
pub const READ: &str = "November 2026";

/// A million requests to an HTTP API (apigatewaycost.com, amnic.com).
pub const HTTP_API: f64 = 1.00;
/// A million invocations (cloudchipr.com).
pub const INVOCATIONS: f64 = 0.20;
/// A GB-second on arm64 (cloudchipr.com).
pub const GB_SECOND: f64 = 0.000_013_333_4;
/// A million write request units, on demand (airbyte.com).
pub const WRITES: f64 = 0.625;
/// A million read request units, on demand (airbyte.com).
pub const READS: f64 = 0.125;
/// A GB in the table for a month, standard class (AWS's price page, from memory).
pub const STORAGE: f64 = 0.25;
/// The same in the class Standard-Infrequent Access (AWS's price page, from memory).
pub const STORAGE_INFREQUENT: f64 = 0.10;
/// How much more requests cost in that class: 25 % (AWS's price page, from memory).
pub const REQUESTS_INFREQUENT: f64 = 1.25;
/// A GB of point-in-time recovery for a month (AWS's price page, from memory).
pub const RECOVERY: f64 = 0.20;
/// A provisioned write unit for an hour (AWS's price page, from memory).
pub const WRITE_UNIT_HOUR: f64 = 0.000_65;
/// A provisioned read unit for an hour (AWS's price page, from memory).
pub const READ_UNIT_HOUR: f64 = 0.000_13;
/// A million publishes, and as many deliveries to Apple or Google (factualminds.com).
pub const PUSHES: f64 = 0.50 + 0.50;
/// A GB of logs taken in (duckbillgroup.com).
pub const LOGS: f64 = 0.50;
