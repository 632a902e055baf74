//! What customers will bring: BG/NBD for purchases, Gamma-Gamma for their value.
//!
//! Knows how the two models are put together and for whom they speak; the models are files of
//! their own.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray};
use arrow::datatypes::DataType;

use super::bg_nbd::{BgNbd, History};
use super::gamma_gamma::{GammaGamma, Spending};
use super::matrix::sample;
use super::prepare::{Input, decimal};
use super::{Column, Computation, Computed, Kind, Output, Setting, Settings};
use crate::error::Result;

/// The days ahead of expectations.
const HORIZON: f64 = 365.0;

const PROBABILITY: DataType = DataType::Decimal128(9, 6);
const PURCHASES: DataType = DataType::Decimal128(14, 6);
const MONEY: DataType = DataType::Decimal128(18, 2);

pub(super) const COMPUTATION: Computation = Computation {
    name: "customer_value",
    summary: "The probability that each customer is still active, and the purchases and their value \
              expected in 365 days: BG/NBD (Fader, Hardie, Lee 2005) and Gamma-Gamma (Fader, Hardie \
              2013), fitted by maximum likelihood to the customers who ever bought. A customer with \
              fewer than two purchases is given the population's, flagged: the means of the models' \
              probabilities and purchases over all who ever bought, and the mean value of a purchase \
              among all customers. Purchases of one day are best counted as one. With too few repeat \
              customers to fit a model, a warning says so and what is expected is null.",
    input: &[
        Column { name: "golden_id", kind: Kind::Text, required: true, meaning: "The customer." },
        Column {
            name: "frequency",
            kind: Kind::Number,
            required: false,
            meaning: "Repeat purchases: purchases after the first; null for one who never bought.",
        },
        Column {
            name: "recency",
            kind: Kind::Number,
            required: false,
            meaning: "Days from the first purchase to the last; 0 without repeat purchases.",
        },
        Column {
            name: "age",
            kind: Kind::Number,
            required: false,
            meaning: "Days from the first purchase to the logical date.",
        },
        Column {
            name: "monetary",
            kind: Kind::Number,
            required: false,
            meaning: "Mean value of repeat purchases; what is not above 0 tells nothing of value.",
        },
    ],
    features: None,
    key: &["golden_id"],
    settings: &[
        Setting {
            name: "least_customers",
            default: 30.0,
            least: 2.0,
            most: 1e9,
            whole: true,
            meaning: "Customers with repeat purchases without whom no model is fitted.",
        },
        Setting {
            name: "sample",
            default: 50_000.0,
            least: 100.0,
            most: 1e9,
            whole: true,
            meaning: "Customers to whom the models are fitted at most: those of the least hash.",
        },
    ],
    output: &[
        Output {
            name: "golden_id",
            data_type: DataType::Utf8,
            nullable: false,
            meaning: "The customer.",
        },
        Output {
            name: "probability_active",
            data_type: PROBABILITY,
            nullable: true,
            meaning: "Probability that the customer is still active.",
        },
        Output {
            name: "expected_purchases_12m",
            data_type: PURCHASES,
            nullable: true,
            meaning: "Purchases expected in the 365 days after the logical date.",
        },
        Output {
            name: "expected_purchase_value",
            data_type: MONEY,
            nullable: true,
            meaning: "Mean value expected of a purchase, in the money of the input.",
        },
        Output {
            name: "expected_value_12m",
            data_type: MONEY,
            nullable: true,
            meaning: "Value expected of these purchases: their number times their mean value.",
        },
        Output {
            name: "population_estimate",
            data_type: DataType::Boolean,
            nullable: false,
            meaning: "Whether the estimates are the population's: fewer than two purchases.",
        },
    ],
    compute,
};

/// What is expected of a customer.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Expected {
    active: f64,
    purchases: f64,
}

fn compute(input: &Input, settings: &Settings) -> Result<Computed> {
    let customers = input.text("golden_id")?;
    let histories = histories(input)?;
    let spendings = spendings(input, &histories)?;
    let (mut findings, mut warnings) = (Vec::new(), Vec::new());

    let chosen = sample(customers, settings.count("sample")?);
    let least = settings.count("least_customers")?;
    let bought: Vec<History> = chosen.iter().filter_map(|row| histories[*row]).collect();
    let repeated = bought.iter().filter(|history| history.frequency > 0.0).count();
    let purchases = (repeated >= least).then(|| BgNbd::fit(&bought));
    let spent: Vec<Spending> = chosen.iter().filter_map(|row| spendings[*row]).collect();
    let money = (spent.len() >= least).then(|| GammaGamma::fit(&spent));

    if purchases.is_none() {
        warnings.push("too few customers bought again to expect purchases of any");
    }
    if money.is_none() {
        warnings.push("too few customers bought again to expect a value of purchases");
    }
    if let Some((model, at_edge)) = &purchases {
        let BgNbd { r, alpha, a, b } = *model;
        findings.extend([("r", r), ("alpha", alpha), ("a", a), ("b", b)]);
        if *at_edge {
            warnings.push("the model of purchases ends at the edge of its range: little is known");
        }
    }
    if let Some((model, at_edge)) = &money {
        let GammaGamma { p, q, v } = *model;
        findings.extend([("p", p), ("q", q), ("v", v)]);
        if *at_edge {
            warnings.push("the model of value ends at the edge of its range: little is known");
        }
    }
    let purchases = purchases.map(|(model, _)| model);
    let money = money.map(|(model, _)| model);

    let own: Vec<Option<Expected>> = histories
        .iter()
        .map(|history| Some(expected(purchases.as_ref()?, history.as_ref()?)))
        .collect();
    let population = mean(&own);
    let mean_value = money.as_ref().map(GammaGamma::population_mean);
    if let Some(Expected { active, purchases }) = population {
        findings.push(("population_probability_active", active));
        findings.push(("population_expected_purchases_12m", purchases));
    }
    findings.extend(mean_value.map(|value| ("population_expected_purchase_value", value)));

    let flags: Vec<bool> =
        histories.iter().map(|history| history.is_none_or(|h| h.frequency < 1.0)).collect();
    let counts: Vec<Option<Expected>> =
        own.iter().zip(&flags).map(|(own, flag)| if *flag { population } else { *own }).collect();
    let values: Vec<Option<f64>> = spendings
        .iter()
        .map(|spending| match spending {
            Some(spending) => Some(money.as_ref()?.expected_mean(spending)),
            None => mean_value,
        })
        .collect();
    let products = counts
        .iter()
        .zip(&values)
        .map(|(count, value)| Some(count.as_ref()?.purchases * (*value)?));
    let rows = COMPUTATION.batch(vec![
        Arc::new(customers.clone()),
        decimal(counts.iter().map(|count| Some(count.as_ref()?.active)), &PROBABILITY)?,
        decimal(counts.iter().map(|count| Some(count.as_ref()?.purchases)), &PURCHASES)?,
        decimal(values.iter().copied(), &MONEY)?,
        decimal(products, &MONEY)?,
        Arc::new(BooleanArray::from(flags)),
    ])?;
    Ok(Computed { rows, findings, warnings })
}

fn expected(model: &BgNbd, history: &History) -> Expected {
    Expected {
        active: model.probability_active(history),
        purchases: model.expected_purchases(history, HORIZON),
    }
}

/// The mean of those that are known, in their order.
fn mean(all: &[Option<Expected>]) -> Option<Expected> {
    let known: Vec<Expected> = all.iter().flatten().copied().collect();
    let count = known.len() as f64;
    (count > 0.0).then(|| Expected {
        active: known.iter().map(|one| one.active).sum::<f64>() / count,
        purchases: known.iter().map(|one| one.purchases).sum::<f64>() / count,
    })
}

/// The history of each customer who ever bought.
fn histories(input: &Input) -> Result<Vec<Option<History>>> {
    let columns = [input.number("frequency")?, input.number("recency")?, input.number("age")?];
    (0..columns[0].len())
        .map(|row| {
            let [frequency, recency, age] =
                columns.map(|column| column.is_valid(row).then(|| column.value(row)));
            let (Some(frequency), Some(recency), Some(age)) = (frequency, recency, age) else {
                if frequency.is_some() || recency.is_some() || age.is_some() {
                    return Err(input.refuse("frequency, recency and age are known together"));
                }
                return Ok(None);
            };
            if frequency < 0.0 || frequency.fract() != 0.0 {
                return Err(input.refuse("`frequency` is a whole number, 0 or more"));
            }
            if !(0.0..=age).contains(&recency) {
                return Err(input.refuse("`recency` is from 0 to `age`"));
            }
            if frequency == 0.0 && recency > 0.0 {
                return Err(input.refuse("`recency` is 0 where `frequency` is"));
            }
            Ok(Some(History { frequency, recency, age }))
        })
        .collect()
}

/// The spending of each customer with repeat purchases of a value above 0.
fn spendings(input: &Input, histories: &[Option<History>]) -> Result<Vec<Option<Spending>>> {
    let monetary = input.number("monetary")?;
    let spendings = histories.iter().zip(monetary).map(|(history, mean)| {
        let frequency = history.as_ref()?.frequency;
        let mean = mean.filter(|mean| *mean > 0.0)?;
        (frequency > 0.0).then_some(Spending { frequency, mean })
    });
    Ok(spendings.collect())
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
    use arrow::datatypes::Decimal128Type;
    use indexmap::IndexMap;

    use super::super::cdnow;
    use super::*;

    /// CDNOW's customers with seven times their weeks, and one who never bought.
    fn input() -> RecordBatch {
        let customers: Vec<_> = cdnow::customers().collect();
        let ids = (0..customers.len()).map(|row| format!("c{row:04}"));
        let ids = ids.chain(["z".to_owned()]).map(Some);
        let column = |value: fn(&(History, f64)) -> f64| {
            let values = customers.iter().map(|customer| Some(value(customer))).chain([None]);
            Arc::new(Float64Array::from_iter(values)) as ArrayRef
        };
        RecordBatch::try_from_iter_with_nullable([
            ("golden_id", Arc::new(StringArray::from_iter(ids)) as ArrayRef, false),
            ("frequency", column(|(history, _)| history.frequency), true),
            ("recency", column(|(history, _)| history.recency * 7.0), true),
            ("age", column(|(history, _)| history.age * 7.0), true),
            ("monetary", column(|(_, mean)| *mean), true),
        ])
        .unwrap()
    }

    fn run(input: &RecordBatch, settings: &[(&str, f64)]) -> Result<Computed> {
        let given: IndexMap<String, f64> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let settings = COMPUTATION.settings(&given, "a test").unwrap();
        COMPUTATION.run(input, &settings, "a test")
    }

    /// The constants: lifetimes 0.11.3 with parameters fitted by it to the same days.
    #[test]
    fn known_customers_are_given_their_own_and_others_the_populations() {
        let computed = run(&input(), &[]).unwrap();
        assert_eq!(computed.warnings, Vec::<&str>::new());
        let finding =
            |name: &str| computed.findings.iter().find(|(known, _)| *known == name).unwrap().1;
        assert!((finding("alpha") / 7.0 - 4.414).abs() < 0.0005);
        assert!((finding("q") - 3.74).abs() < 0.005);
        let column = |place: usize, row: usize| {
            computed.rows.column(place).as_primitive::<Decimal128Type>().value(row) as f64
        };
        for (row, active, purchases, value) in FIRST_CUSTOMERS {
            assert!((column(1, *row) / 1e6 - active).abs() < 2e-5, "{row}");
            assert!((column(2, *row) / 1e6 - purchases).abs() < 2e-4, "{row}");
            assert!((column(3, *row) / 1e2 - value).abs() < 0.02, "{row}");
        }
        let flags = computed.rows.column(5).as_boolean();
        // The third customer of CDNOW bought once, the last of ours never.
        for row in [2, 2357] {
            assert!(flags.value(row));
            let expected = finding("population_expected_purchases_12m");
            assert!((column(2, row) / 1e6 - expected).abs() < 1e-6);
            let expected = finding("population_expected_purchase_value");
            assert!((column(3, row) / 1e2 - expected).abs() <= 0.005);
        }
        assert_eq!(flags.true_count(), 2357 - 946 + 1);
    }

    #[test]
    fn too_few_customers_leave_expectations_open() {
        let computed = run(&input().slice(0, 20), &[]).unwrap();
        assert_eq!(computed.warnings.len(), 2);
        for column in 1..5 {
            assert_eq!(computed.rows.column(column).null_count(), 20);
        }
    }

    #[test]
    fn a_sample_fits_nearly_the_same_model() {
        let computed = run(&input(), &[("sample", 1500.0)]).unwrap();
        let alpha = computed.findings.iter().find(|(name, _)| *name == "alpha").unwrap().1;
        assert!((alpha / 7.0 - 4.414).abs() < 1.0 && (alpha / 7.0 - 4.414).abs() > 1e-6, "{alpha}");
    }

    #[test]
    fn histories_that_cannot_be_are_refused_without_their_values() {
        let rows = input();
        let mut columns = rows.columns().to_vec();
        columns.swap(2, 3);
        let wrong = RecordBatch::try_new(rows.schema(), columns).unwrap();
        let error = run(&wrong, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a test: a row breaks the rule that `recency` is from 0 to `age`"
        );
    }

    /// Row, probability active, purchases in 365 days and value of a purchase.
    const FIRST_CUSTOMERS: &[(usize, f64, f64, f64)] = &[
        (0, 0.726609, 1.562087, 24.66),
        (1, 0.212227, 0.260507, 18.91),
        (5, 0.641801, 4.20812, 71.46),
    ];
}
