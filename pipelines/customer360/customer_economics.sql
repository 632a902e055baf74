-- What each customer brings and costs at the logical date: economics_by_day of that day.
-- Key: golden_id; a row for every customer.
select * except (day) from economics_by_day where day = $logical_date
