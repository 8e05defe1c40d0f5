"""Who carries the jobs of a run out, if not this process: Ray, SLURM, or whoever calls `jobs run`.

There is one contract for all of them. The list of jobs lies in a folder that all machines see. A worker
writes the file of a job below its own name, then a record of it; it may be killed at any moment, and may do
again what another one has done. Whoever finishes the run takes the files that records name and that hold what
these say.

A good order to read it in:

    job_folder     what lies where
    job_list       the jobs as a parquet file, and the shares of it
    records        what workers say
    worker         carries jobs out
    plan_jobs      writes the list
    run_jobs       has it carried out, by `ray_tasks` or `slurm_arrays`
    collect        takes what is written
    describe_jobs  how far it is
"""
