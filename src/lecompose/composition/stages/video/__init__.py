"""Writes the mp4 files, one job a file; clips that several of them hold are encoded once, before."""

from dataclasses import replace

from lecompose.composition.context import Run
from lecompose.composition.jobs import ClipSpan, EncodeClipJob, VideoFileJob
from lecompose.composition.stages.video.write_video_file import (
    VideoSources,
    encode_clip,
    write_video_file,
)
from lecompose.files import mp4


def write_videos(run: Run) -> None:
    """Write every video file of every output.

    Raises:
        MediaError: if a source cannot be read or does not land where the layout says.
        OutputUnwritable: if a file cannot be written.
    """
    jobs = run.unfinished(run.layout.video_jobs)
    clips = _list_wanted(run, jobs)
    run.progress.stage("video", sum(job.size_bytes for job in jobs) + sum(clip.size_bytes for clip in clips))
    sources = VideoSources(run.scratch, run.layout.videos)
    sources.encoded = _encode(run, clips, sources)

    def write(job: VideoFileJob) -> None:
        result = write_video_file(job, run.folders[job.out_dataset], sources, run.workers)
        if not result.bytes_linked:  # it is linked again as fast as it is found
            run.finish(job)
        run.count_all(result.counts)

    run.workers.each(jobs, write)


def _list_wanted(run: Run, jobs: list[VideoFileJob]) -> list[EncodeClipJob]:
    """Return the clips to encode for these files; a run that was killed has encoded the others."""
    wanted = {clip.span for job in jobs for clip in job.clips if clip.encode is not None}
    for span, reencoded in run.layout.reencoded_by_span.items():
        if span not in wanted:
            run.reencoded.extend(reencoded)
    return [clip for span, clip in run.layout.encode_jobs.items() if span in wanted]


def _encode(run: Run, clips: list[EncodeClipJob], sources: VideoSources) -> dict[ClipSpan, mp4.EncodedVideo]:
    """Encode each clip, as many at once as there are threads."""

    def encode(clip: EncodeClipJob) -> mp4.EncodedVideo:
        encoded = encode_clip(clip, sources, run.workers)
        run.count("frames_decoded", encoded.frames_decoded)
        run.count("frames_encoded", encoded.video.frames)
        return encoded

    made = {clip.span: encoded for clip, encoded in zip(clips, run.workers.each(clips, encode), strict=True)}
    for span, encoded in made.items():
        run.reencoded.extend(
            replace(clip, psnr_db=encoded.psnr_db) for clip in run.layout.reencoded_by_span[span]
        )
    return made
