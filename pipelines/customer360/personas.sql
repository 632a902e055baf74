-- What sets each micro-segment apart: what the computation personas reads. Key: golden_id here,
-- micro_segment in the table.
select s.micro_segment, f.*
from micro_segments s
join customer_features f on f.golden_id = s.golden_id
