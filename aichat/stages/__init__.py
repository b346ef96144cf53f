"""The pipeline, from the microphone to the loudspeaker: each stage joins a backend to the bus."""
