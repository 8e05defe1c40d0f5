"""The ad-hoc queries, as SQL for lecompose; `tools/with_polars.py` has them as expressions.

Each gives rows in an order of its own, so that answers can be compared.
"""

SQL = {
    "minutes a task": """
        select task, sum(seconds) / 60 as minutes
        from episodes
        group by task
        order by task
    """,
    "highest action of each episode": """
        select src_dataset, src_episode, max(action[3]) as highest
        from frames
        group by src_dataset, src_episode
        order by src_dataset, src_episode
    """,
    "frames where": """
        select count(*) as frames, min(timestamp) as earliest
        from frames
        where action[1] > 0.5 and "observation.state"[7] < 0
    """,
}
