"""What the page shows of the memory: the videos, one video's hour, its entries and its pictures, in bounded parts."""
