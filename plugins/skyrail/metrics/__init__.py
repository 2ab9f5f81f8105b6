"""What Skyrail counts and measures about itself."""
