-- catalog/commands: every command that a source's episodes went through, once
-- reads:  the lineage named
-- params:
-- gives:  command VARCHAR
select distinct command
from {{ lineage | ident }}
where command is not null
order by command
