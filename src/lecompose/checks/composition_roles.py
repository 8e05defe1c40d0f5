"""What codes mean to a composition: what it needs, passes on, leaves behind, and takes one way of two."""

# What a source must keep so that its episodes can be told apart and copied whole.
REQUIREMENTS = ("episodes_unique", "episode_rows", "frame_times", "task_indices")
# What a composition passes on as it is, and is therefore no promise of its output.
PASSED_ON = (
    "robot_type",
    "feature_names",
    "task_columns",
    "depth_marks",
    "picture_size",
    "pictures_alike",
    "pictures_empty",
    "video_size",
    "video_alike",
)
# What no composition can carry.
REMARKS = ("episodes_listed",)
# Where a source contradicts itself, and which side a composition takes.
DOUBTS = {
    "episode_tasks": "frames keep their tasks, whatever the episode list says; the output lists both",
    "video_order": "pictures are taken from where the episode list says, which is not in order",
}
