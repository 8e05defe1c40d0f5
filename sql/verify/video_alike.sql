-- verify/video_alike: all files of a camera have the same codec and pixel format
-- Those that most files have are taken for the camera's own; where as many have others, the first file's.
-- reads:  datasets, videos
-- params:
-- gives:  src_dataset VARCHAR, file VARCHAR, episode BIGINT, feature VARCHAR, problem VARCHAR
with told as (
    select src_dataset, camera, video_file, concat_ws(', ', codec, pix_fmt) as encoding
    from videos
    where problem is null
),
kinds as (
    select src_dataset, camera, encoding, count(*) as files, min(video_file) as first_file
    from told
    group by src_dataset, camera, encoding
),
usual as (
    select src_dataset, camera, encoding
    from kinds
    qualify row_number() over (partition by src_dataset, camera order by files desc, first_file) = 1
)
select k.src_dataset,
       substr(k.first_file, length(d.root) + 2) as file,
       null::bigint as episode,
       k.camera as feature,
       format('{}, other files of the camera {}', k.encoding, u.encoding)
           || if(k.files = 1, '', format('; so in {} files', k.files)) as problem
from kinds k
join usual u using (src_dataset, camera)
join datasets d using (src_dataset)
where k.encoding <> u.encoding
order by k.src_dataset, k.camera, k.first_file
