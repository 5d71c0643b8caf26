"""What the targets of the simulated fleet expose: the metrics that the rules under test select, as they are and as they are in trouble.

A line is a metric: its *theme* (metrics of one theme are in trouble together), its name with labels that are always the same, a set of label
values of which each makes a series (or ``-``), and two shapes, calm and in trouble: ``level``, ``level+slope/s`` or ``level~noise``. A level of 0
with a slope is a counter; ``now-5`` is a time in seconds.
"""

from __future__ import annotations

DIMENSIONS: dict[str, tuple[dict[str, str], ...]] = {
    "-": ({},),
    "cpu": tuple({"cpu": str(number)} for number in range(2)),
    "core": ({"cpu": "cpu0"}, {"cpu": "cpu1"}, {"cpu": "cpu-total"}),
    "fs": (
        {"device": "/dev/sda1", "mountpoint": "/", "fstype": "ext4"},
        {"device": "/dev/sdb1", "mountpoint": "/data", "fstype": "xfs"},
        {"device": "tmpfs", "mountpoint": "/run", "fstype": "tmpfs"},
    ),
    "disk": ({"device": "sda"}, {"device": "sdb"}),
    "net": ({"device": "eth0"}, {"device": "lo"}),
    "path": ({"path": "/"}, {"device": "sdb"}),
    "unit": ({"name": "ssh.service", "state": "failed"}, {"name": "cron.service", "state": "failed"}),
    "chip": ({"chip": "pci0", "sensor": "temp1"}, {"chip": "pci0", "sensor": "temp2"}),
    "container": tuple(
        {"name": f"{name}-1", "container": name, "pod": f"pod-{name}", "namespace": "shop"} for name in ("web", "cart")
    ),
    "pod": tuple({"container": name, "pod": f"pod-{name}", "namespace": "shop"} for name in ("web", "cart")),
    "group": tuple(
        {"consumergroup": group, "topic": topic, "partition": str(number)}
        for group, topic in (("billing", "orders"), ("search", "clicks"))
        for number in range(2)
    ),
    "topic": tuple({"topic": topic, "partition": "0"} for topic in ("orders", "clicks")),
    "burrow": tuple({"topic": topic, "partition": "0"} for topic in ("orders", "clicks")),
    "db": ({"datname": "shop", "datid": "16384"}, {"datname": "postgres", "datid": "5"}),
    "table": ({"relname": "orders", "datname": "shop"}, {"relname": "users", "datname": "shop"}),
    "index": ({"idxname": "orders_pkey"},),
    "queue": ({"vhost": "/", "queue": "mail"}, {"vhost": "/", "queue": "print"}),
    "sqs": ({"queue_name": "jobs"}, {"queue_name": "exports"}),
    "subtask": tuple({"subtask_index": str(number)} for number in range(2)),
    "ec2": ({"dimension_InstanceId": "i-1"}, {"dimension_InstanceId": "i-2"}),
}

KINDS: dict[str, tuple[str, int, str]] = {
    # kind: (job, targets, metrics)
    "host": (
        "node",
        78,
        """
        cpu     node_cpu_seconds_total{mode="idle"}     cpu    0+0.9/s          0+0.03/s
        steal   node_cpu_seconds_total{mode="steal"}    cpu    0+0.001/s        0+0.2/s
        iowait  node_cpu_seconds_total{mode="iowait"}   cpu    0+0.01/s         0+0.3/s
        cpu     node_load5                              -      1~0.5            9~1
        memory  node_memory_MemAvailable_bytes          -      8e9~1e9          3e8~1e8
        memory  node_memory_MemTotal_bytes              -      1.6e10           1.6e10
        idle    node_memory_MemFree_bytes               -      4e9~1e9          1.5e10~1e8
        faults  node_vmstat_pgmajfault                  -      0+10/s           0+4000/s
        swap    node_memory_SwapFree_bytes              -      2e9~1e8          1e8~5e7
        swap    node_memory_SwapTotal_bytes             -      2e9              2e9
        net     node_network_receive_bytes_total        net    0+1e6/s          0+1.2e8/s
        out     node_network_transmit_bytes_total       net    0+1e6/s          0+1.2e8/s
        net     node_network_speed_bytes                net    1.25e8           1.25e8
        nicerr  node_network_receive_errs_total         net    0                0+90/s
        nicerr  node_network_receive_packets_total      net    0+1000/s         0+1000/s
        nicout  node_network_transmit_errs_total        net    0                0+90/s
        nicout  node_network_transmit_packets_total     net    0+1000/s         0+1000/s
        io      node_disk_io_time_seconds_total         disk   0+0.1/s          0+1.2/s
        read    node_disk_read_time_seconds_total       disk   0+0.01/s         0+9/s
        read    node_disk_reads_completed_total         disk   0+20/s           0+20/s
        write   node_disk_write_time_seconds_total      disk   0+0.01/s         0+9/s
        write   node_disk_writes_completed_total        disk   0+20/s           0+20/s
        full    node_filesystem_avail_bytes             fs     4e10             2e9-1e6/s
        full    node_filesystem_size_bytes              fs     1e11             1e11
        full    node_filesystem_readonly                fs     0                0
        fserr   node_filesystem_device_error            fs     0                1
        inodes  node_filesystem_files_free              fs     5e6              2e5-100/s
        inodes  node_filesystem_files                   fs     6e6              6e6
        switch  node_context_switches_total             -      0+2000/s         0+90000/s
        unit    node_systemd_unit_state                 unit   0                1
        heat    node_hwmon_temp_celsius                 chip   55~5             95~3
        heat    node_hwmon_temp_max_celsius             chip   80               80
        alarm   node_hwmon_temp_crit_alarm_celsius      chip   0                1
        alarm2  node_hwmon_temp_alarm                   chip   0                1
        raid    node_md_disks{state="active"}           disk   2                1
        raid    node_md_disks{state="failed"}           disk   0                1
        raid    node_md_disks_required                  disk   2                2
        kernel  node_uname_info                         -      1                2
        oom     node_vmstat_oom_kill                    -      0                0+0.01/s
        edac    node_edac_correctable_errors_total      -      0                0+0.1/s
        edac2   node_edac_uncorrectable_errors_total    -      0                1
        bond    node_bonding_active                     net    2                1
        bond    node_bonding_slaves                     net    2                2
        track   node_nf_conntrack_entries               -      2e4~5e3          2.4e5~1e4
        track   node_nf_conntrack_entries_limit         -      262144           262144
        clock   node_timex_offset_seconds               -      0.001~0.001      0.15+0.0004/s
        sync    node_timex_sync_status                  -      1                0
        sync    node_timex_maxerror_seconds             -      0.01~0.005       16
        """,
    ),
    "agent": (
        "agent",
        20,
        """
        cpu     cpu_usage_user                          core   20~5             80~1
        cpu     cpu_usage_system                        core   5~2              18~1
        cpu     system_load5                            -      1~0.5            9~1
        memory  mem_used_percent                        -      50~10            97~1
        swap    swap_used_percent                       -      5~2              90~2
        full    disk_used_percent                       path   40               97+0.001/s
        """,
    ),
    "generated": (
        "generator",
        8,
        """
        cpu     cpu_usage_percent                       core   30~10            98~1
        memory  mem_used_percent                        -      50~10            97~1
        """,
    ),
    "cadvisor": (
        "cadvisor",
        24,
        """
        gone    container_last_seen                     container now-5         now-90
        cpu     container_cpu_usage_seconds_total       container 0+0.2/s       0+0.95/s
        cpu     container_spec_cpu_quota                container 100000        100000
        cpu     container_spec_cpu_period               container 100000        100000
        memory  container_memory_working_set_bytes      container 2e8~2e7       9.5e8~2e7
        memory  container_spec_memory_limit_bytes       container 1e9           1e9
        inodes  container_fs_inodes_free                container 8e5           5e4
        inodes  container_fs_inodes_total               container 1e6           1e6
        slow    container_cpu_cfs_throttled_periods_total pod   0+0.5/s         0+6/s
        slow    container_cpu_cfs_periods_total         pod    0+10/s           0+10/s
        """,
    ),
    "kafka": (
        "kafka",
        2,
        """
        lag     kafka_consumergroup_lag                 group  500~400          2000+400/s
        stop    kafka_consumergroup_current_offset      group  0+900/s          0
        isr     kafka_topic_partition_in_sync_replica   topic  3                2
        """,
    ),
    "burrow": (
        "burrow",
        3,
        """
        lag     kafka_burrow_topic_partition_offset     burrow 0+100/s          0+100/s
        lag     kafka_burrow_partition_current_offset   burrow 0+100/s          0
        """,
    ),
    "postgres": (
        "postgres",
        20,
        """
        down    pg_up                                   -      1                0
        start   pg_postmaster_start_time_seconds        -      now-90000        now-30
        error   pg_exporter_last_scrape_error           -      0                1
        vacuum  pg_stat_user_tables_n_tup_del           table  10               5000
        vacuum  pg_stat_user_tables_n_tup_upd           table  10               5000
        vacuum  pg_stat_user_tables_n_tup_hot_upd       table  10               5000
        vacuum  pg_settings_autovacuum_vacuum_threshold  -     50               50
        vacuum  pg_settings_autovacuum_analyze_threshold -     50               50
        vacuum  pg_stat_user_tables_last_autovacuum     table  now-3600         now-950400
        vacuum  pg_stat_user_tables_last_autoanalyze    table  now-3600         now-950400
        conn    pg_stat_activity_count                  db     10~6             95~2
        conn    pg_settings_max_connections             -      100              100
        locks   pg_stat_database_deadlocks              db     0                0+0.5/s
        roll    pg_stat_database_xact_rollback          db     0+0.1/s          0+9/s
        roll    pg_stat_database_xact_commit            db     0+100/s          0+100/s
        dull    pg_txid_current                         -      0+40/s           0+1/s
        slot    pg_replication_slots_active             -      1                0
        slot    pg_replication_is_replica               -      0                0
        dead    pg_stat_user_tables_n_dead_tup          table  100~50           40000~900
        dead    pg_stat_user_tables_n_live_tup          table  90000            90000
        config  pg_settings_work_mem_bytes              -      4194304          8388608
        ssl     pg_stat_ssl_compression                 -      0                1
        hold    pg_locks_count                          db     40~20            4000~90
        hold    pg_settings_max_locks_per_transaction   -      64               64
        bloat   pg_bloat_btree_bloat_pct                index  20~3             90~1
        bloat   pg_bloat_btree_real_size                index  2e8              2e8
        bloat   pg_bloat_table_bloat_pct                table  20~3             90~1
        bloat   pg_bloat_table_real_size                table  3e8              3e8
        index   pg_general_index_info_pg_relation_size{indexrelname="orders_ccnew"} - 8192 8192
        behind  pg_replication_lag_seconds              -      0.5~0.4          60~20
        """,
    ),
    "mysql": (
        "mysql",
        20,
        """
        down    mysql_up                                -      1                0
        conn    mysql_global_status_threads_connected   -      40~10            140~3
        conn    mysql_global_variables_max_connections  -      151              151
        stmt    mysql_global_status_prepared_stmt_count -      900~100          15000~400
        stmt    mysql_global_variables_max_prepared_stmt_count - 16382          16382
        busy    mysql_global_status_threads_running     -      8~4              120~5
        slaveio mysql_slave_status_slave_io_running     -      1                0
        slaveq  mysql_slave_status_slave_sql_running    -      1                0
        slave   mysql_slave_status_master_server_id     -      7                7
        slave   mysql_slave_status_seconds_behind_master -     1~1              45+0.5/s
        slave   mysql_slave_status_sql_delay            -      0                0
        slow    mysql_global_status_slow_queries        -      0                0+0.2/s
        waits   mysql_global_status_innodb_log_waits    -      0                0+30/s
        start   mysql_global_status_uptime              -      86400            20
        qps     mysql_global_status_questions           -      0+900/s          0+20000/s
        files   mysql_global_status_innodb_num_open_files -    300~50           4500~90
        files   mysql_global_variables_open_files_limit -      5000             5000
        force   mysql_global_variables_innodb_force_recovery - 0                1
        history mysql_info_schema_innodb_metrics_transaction_trx_rseg_history_len - 900~300 70000~900
        """,
    ),
    "rabbitmq": (
        "rabbitmq",
        3,
        """
        deep    rabbitmq_queue_messages_ready           queue  200~100          15000+20/s
        old     rabbitmq_queue_head_message_timestamp   queue  now-20           now-1500
        """,
    ),
    "sqs": (
        "cloudwatch",
        2,
        """
        deep    aws_sqs_approximate_number_of_messages_visible_average sqs 100~60 12000+30/s
        old     aws_sqs_approximate_age_of_oldest_message_maximum      sqs 30~10  1800~60
        """,
    ),
    "ec2": (
        "cloudwatch",
        3,
        """
        cpu     aws_ec2_cpuutilization_average          ec2    30~10            99~1
        """,
    ),
    "service": (
        "shop",
        11,
        """
        errors  http_requests_total{code="200"}         -      0+40/s           0+20/s
        errors  http_requests_total{code="500"}         -      0                0+20/s
        slow    http_request_duration_seconds_bucket{le="0.1"}  - 0+30/s        0+2/s
        slow    http_request_duration_seconds_bucket{le="0.5"}  - 0+39/s        0+10/s
        slow    http_request_duration_seconds_bucket{le="2.5"}  - 0+40/s        0+30/s
        slow    http_request_duration_seconds_bucket{le="+Inf"} - 0+40/s        0+40/s
        """,
    ),
    "plain": (
        "search",
        2,
        """
        errors  http_requests                           -      0+40/s           0+5/s
        """,
    ),
    "flink": (
        "flink",
        4,
        """
        stop    flink_taskmanager_job_task_operator_tidemark_records_read     subtask 0+900/s 0
        stop    flink_taskmanager_job_task_operator_tidemark_samples_read     subtask 0+9e4/s 0
        letters flink_taskmanager_job_task_operator_tidemark_records_decoded  subtask 0+900/s 0+600/s
        letters flink_taskmanager_job_task_operator_tidemark_records_dead_lettered subtask 0 0+300/s
        late    flink_taskmanager_job_task_operator_tidemark_samples_too_late subtask 0       0+5000/s
        lost    flink_taskmanager_job_task_operator_tidemark_offsets_lost     subtask 0       0+1/s
        retry   flink_taskmanager_job_task_operator_tidemark_influxdb_requests subtask 0+5/s  0+5/s
        retry   flink_taskmanager_job_task_operator_tidemark_influxdb_retries subtask 0       0+2/s
        stop    flink_taskmanager_job_task_operator_tidemark_kafka_lag_0      subtask 100~90  900+700/s
        restart flink_jobmanager_job_numRestarts                              -       0       0+0.02/s
        fail    flink_jobmanager_job_numberOfFailedCheckpoints                -       0       0+0.03/s
        fail    flink_jobmanager_job_numberOfCompletedCheckpoints             -       0+0.1/s 0
        """,
    ),
}
