"""What the faces ask of a controller and are told: records only, light to import."""
