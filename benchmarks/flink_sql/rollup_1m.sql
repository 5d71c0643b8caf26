-- The peer of the metrics job: one-minute windows of count, sum, min and max per series, over the same topic.
-- The placeholders are filled in by benchmarks/flink_sql/job.py.
SET 'execution.runtime-mode' = 'streaming';
SET 'parallelism.default' = '1';
SET 'state.backend.type' = 'hashmap';
SET 'execution.checkpointing.interval' = '10 s';
SET 'pipeline.name' = 'flink-sql';
SET 'table.local-time-zone' = 'UTC';

CREATE TABLE scrapes (
  labels MAP<STRING, STRING>,
  `timestamp` BIGINT,
  samples MAP<STRING, DOUBLE>,
  ts AS TO_TIMESTAMP_LTZ(`timestamp`, 3),
  WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = '${TOPIC}',
  'properties.bootstrap.servers' = '${BOOTSTRAP}',
  'properties.group.id' = 'flink-sql',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'json'
);

CREATE VIEW flat AS
SELECT labels['host'] AS host, metric, v, ts
FROM scrapes CROSS JOIN UNNEST(samples) AS unnested (metric, v);

CREATE TABLE rollup_1m (
  host STRING,
  metric STRING,
  window_start TIMESTAMP(3),
  n BIGINT,
  total DOUBLE,
  low DOUBLE,
  high DOUBLE
) WITH (${SINK});

INSERT INTO rollup_1m
SELECT host, metric, window_start, COUNT(*), SUM(v), MIN(v), MAX(v)
FROM TABLE(TUMBLE(TABLE flat, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY host, metric, window_start, window_end;
