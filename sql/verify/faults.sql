-- verify/faults: what was found while the files were read; a break of the code that it names
-- reads:  fault_facts
-- params:
-- gives:  src_dataset VARCHAR, code VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
select src_dataset, code, file, episode, feature, problem
from fault_facts
order by src_dataset, position
