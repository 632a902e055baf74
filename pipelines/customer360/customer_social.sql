-- What customers do on social networks. Key: golden_id; a row for each customer with an account.
--
-- degree = customers followed or following; weighted_degree = the sum of the weights of those
-- edges; pagerank = how often one comes by the customer who follows edges at random: the ranks of
-- all add up to 1; advocate = referred a customer, or shared and posted at least $advocate_shares times.
with
accounts as (
  select golden_id, count(*) as accounts
  from entity_members
  where source = 'social_handles'
  group by golden_id
),
deeds as (
  select
    m.golden_id,
    count(*) filter (where e.kind = 'like') as likes,
    count(*) filter (where e.kind = 'share') as shares,
    count(*) filter (where e.kind = 'post') as posts,
    count(*) filter (where e.kind = 'comment') as comments,
    sum(e.reach) as reach,
    max(e.occurred_at) as last_engaged_at
  from engagements e
  join entity_members m on m.source = e.source and m.record_id = e.record_id
  where e.occurred_on <= $logical_date
  group by m.golden_id
),
both_ways as (
  select golden_id, other_golden_id, weight, 1 as following, 0 as followed from social_edges
  union all
  select other_golden_id, golden_id, weight, 0 as following, 1 as followed from social_edges
),
network as (
  select
    golden_id,
    count(distinct other_golden_id) as degree,
    sum(weight) as weighted_degree,
    sum(following) as following,
    sum(followed) as followers
  from both_ways
  group by golden_id
),
referrals as (
  select golden_id, count(*) as referrals
  from customer_relations
  where relation = 'referred'
  group by golden_id
)
select
  a.golden_id,
  a.accounts,
  coalesce(d.likes, 0) as likes,
  coalesce(d.shares, 0) as shares,
  coalesce(d.posts, 0) as posts,
  coalesce(d.comments, 0) as comments,
  coalesce(d.reach, 0) as reach,
  d.last_engaged_at,
  coalesce(n.degree, 0) as degree,
  coalesce(n.weighted_degree, 0) as weighted_degree,
  coalesce(n.following, 0) as following,
  coalesce(n.followers, 0) as followers,
  k.pagerank,
  coalesce(r.referrals, 0) > 0
    or coalesce(d.shares, 0) + coalesce(d.posts, 0) >= $advocate_shares as advocate
from accounts a
left join deeds d on d.golden_id = a.golden_id
left join network n on n.golden_id = a.golden_id
left join referrals r on r.golden_id = a.golden_id
left join social_rank k on k.golden_id = a.golden_id
